//! The routes, as OpenAPI wants them told. The functions only carry attributes.
#![allow(dead_code, reason = "the attributes are what counts")]

use utoipa::OpenApi;

use crate::{
    Apply, Config, Control, Controlled, Event, Explanation, Line, NodeOperate, Operate, Setting, Situation,
    Status,
};

/// The interface of a node.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "stead",
        description = "A failover cluster for Linux: the interface of a node, on its Unix socket"
    ),
    paths(
        status,
        config,
        apply,
        group,
        resource,
        node,
        control,
        type_control,
        delete_type,
        delete_group_set,
        settings,
        explain,
        situation,
        events,
        shutdown
    )
)]
pub(crate) struct Document;

#[utoipa::path(get, path = "/v1/status", responses((status = 200, body = Status)))]
fn status() {}

#[utoipa::path(get, path = "/v1/config", responses((status = 200, body = Config)))]
fn config() {}

#[utoipa::path(post, path = "/v1/apply", request_body = Apply,
    responses((status = 200, body = Line, content_type = "application/x-ndjson")))]
fn apply() {}

#[utoipa::path(post, path = "/v1/groups/{name}/{verb}", request_body = Operate,
    params(("name" = String, Path), ("verb" = String, Path, description = "online, offline, move, cancel, delete")),
    responses((status = 200, body = Line, content_type = "application/x-ndjson")))]
fn group() {}

#[utoipa::path(post, path = "/v1/resources/{name}/{verb}", request_body = Operate,
    params(("name" = String, Path), ("verb" = String, Path,
        description = "online, offline, restart, fail, maintenance-on, maintenance-off, cancel, delete")),
    responses((status = 200, body = Line, content_type = "application/x-ndjson")))]
fn resource() {}

#[utoipa::path(post, path = "/v1/nodes/{name}/{verb}", request_body = NodeOperate,
    params(("name" = String, Path), ("verb" = String, Path, description = "pause, resume")),
    responses((status = 200, body = Line, content_type = "application/x-ndjson")))]
fn node() {}

#[utoipa::path(post, path = "/v1/control/{name}", request_body = Control, params(("name" = String, Path)),
    responses((status = 200, body = Controlled)))]
fn control() {}

#[utoipa::path(post, path = "/v1/types/{name}/control", request_body = Control, params(("name" = String, Path)),
    responses((status = 200, body = Controlled)))]
fn type_control() {}

#[utoipa::path(delete, path = "/v1/types/{name}", params(("name" = String, Path)),
    responses((status = 200, body = Line, content_type = "application/x-ndjson")))]
fn delete_type() {}

#[utoipa::path(delete, path = "/v1/group-sets/{name}", params(("name" = String, Path)),
    responses((status = 200, body = Line, content_type = "application/x-ndjson")))]
fn delete_group_set() {}

#[utoipa::path(get, path = "/v1/settings", responses((status = 200, body = Vec<Setting>)))]
fn settings() {}

#[utoipa::path(get, path = "/v1/explain/{kind}/{name}",
    params(("kind" = String, Path, description = "group, resource or any"), ("name" = String, Path)),
    responses((status = 200, body = Explanation)))]
fn explain() {}

#[utoipa::path(get, path = "/v1/situation", responses((status = 200, body = Situation)))]
fn situation() {}

#[utoipa::path(get, path = "/v1/events",
    params(("after" = Option<u64>, Query), ("last" = Option<usize>, Query), ("follow" = Option<bool>, Query)),
    responses((status = 200, body = Vec<Event>)))]
fn events() {}

#[utoipa::path(post, path = "/v1/shutdown",
    responses((status = 200, body = Line, content_type = "application/x-ndjson")))]
fn shutdown() {}
