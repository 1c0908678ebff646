//! Worlds that are wrong on purpose: exactly the check that is there for it finds each.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use stead_lease::{Event, Found, Mutant, Mutants};
use stead_policy::{InBuffers, OpId, Request};
use stead_types::{ResourceName, ResourceState};

use crate::fault::{Fault, Kind, SECOND};
use crate::world::{Ask, GroupsBy, Happening, MOST_A_SECOND, MOST_AT_ONCE, Setup, World};

/// A world in which everything has come up, and nothing is wrong.
fn quiet(seed: u64) -> World {
    let setup = Setup {
        nodes: Some(3),
        groups: Some(6),
        quiet: true,
        groups_by: GroupsBy::Production,
        ..Setup::default()
    };
    let mut world = World::new(seed, &setup, None);
    world.go_on(60 * SECOND);
    assert_eq!(world.violation, None);
    world
}

fn broken(world: &World) -> &'static str {
    world.violation.as_ref().map_or("nothing", |violation| violation.invariant)
}

/// A resource that is online somewhere and needs just this other one.
fn dependent(world: &World) -> Option<(usize, ResourceName, ResourceName)> {
    let all = world.config.groups.values().flat_map(|group| group.resources.values());
    let mut needy = all.filter_map(|known| {
        let providers: Vec<_> = known.dependency.providers().cloned().collect();
        let [provider] = providers.as_slice() else { return None };
        let node = (0..world.nodes.len())
            .find(|node| world.state_of(*node, &known.name) == ResourceState::Online)?;
        Some((node, known.name.clone(), provider.clone()))
    });
    needy.next()
}

fn with_dependent() -> (World, (usize, ResourceName, ResourceName)) {
    let mut worlds = (0..50).map(quiet).filter_map(|world| dependent(&world).map(|found| (world, found)));
    worlds.next().expect("a seed with a dependency")
}

#[test]
fn i5_work_that_outlives_its_deadline() {
    let mut world = quiet(1);
    let live = |world: &World| {
        (0..3).find_map(|node| {
            let mut groups = world.nodes[node].live.iter().enumerate();
            groups.find_map(|(group, live)| live.map(|live| (node, group, live.id)))
        })
    };
    let (node, group, id) = live(&world).expect("something lives");
    // Its timer never comes.
    world.nodes[node].fire_at = 0;
    let deadline = world.nodes[node].clock.real(world.nodes[node].guard_deadline);
    world.now = deadline + 60 * SECOND;
    world.dead(node, group, id);
    assert_eq!(broken(&world), "I5");
}

#[test]
fn i8_online_before_its_provider() {
    let (mut world, (node, needy, provider)) = with_dependent();
    for name in [&provider, &needy] {
        world.called_off(node, name);
    }
    world.online(node, OpId(u64::MAX), needy);
    assert_eq!(broken(&world), "I8");
}

#[test]
fn i8_offline_before_its_dependent() {
    let (mut world, (node, _, provider)) = with_dependent();
    world.offline(node, OpId(u64::MAX), provider);
    assert_eq!(broken(&world), "I8");
}

/// Somebody deletes a session, and its machine may take that for a session of its own that was never stored.
fn with_deleted_session(mutants: &[Mutant]) -> World {
    let mut world = quiet(1);
    world.nodes[0].machine.mutate(Mutants::of(mutants), None);
    let found = Found::Nothing { as_of: world.store.now.revision + 1 };
    let node = world.names[world.nodes[0].name].clone();
    world.give(0, Event::Seen { node, found });
    world
}

#[test]
fn i9_a_machine_that_holds_what_was_never_stored() {
    assert_eq!(broken(&with_deleted_session(&[])), "nothing");
    assert_eq!(broken(&with_deleted_session(&[Mutant::ConflictOverwritten])), "I9");
}

/// A node hears of a configuration in which another group has a resource of this one as well, or not.
fn with_resource_of_two_groups(twice: bool) -> World {
    let mut world = quiet(1);
    let mut brain = world.nodes[0].brain.take().unwrap();
    let mut config = brain.policy.config().clone();
    let (mut first, last) = (config.groups.first_entry().unwrap(), world.groups.last().unwrap());
    first.get_mut().description = "changed".to_owned();
    let shared = first.get().resources.values().next().unwrap().clone();
    if twice {
        config.groups.get_mut(last).unwrap().resources.insert(shared.name.clone(), shared);
    }
    brain.tell(stead_policy::Event::Configured(config), world.nodes[0].now(world.now));
    world.nodes[0].brain = Some(brain);
    world.think(0);
    world
}

#[test]
fn i9_a_policy_with_one_resource_in_two_groups() {
    assert_eq!(broken(&with_resource_of_two_groups(false)), "nothing");
    assert_eq!(broken(&with_resource_of_two_groups(true)), "I9");
}

/// An operator asks a node for a group that it does not have.
fn with_refusal(mutants: &[Mutant]) -> World {
    let mut world = quiet(1);
    world.mutants = Mutants::of(mutants);
    let (node, group) = (0..3)
        .find_map(|node| {
            let owner = &world.nodes[node].brain.as_ref().unwrap().owner;
            world.groups.iter().find(|group| !owner.has(group)).map(|group| (node, group.clone()))
        })
        .expect("a node does not have every group");
    let mut brain = world.nodes[node].brain.take().unwrap();
    let request = Request::OfflineGroup {
        group,
        ignore_resource_status: false,
        force_with_termination: false,
        keep_persistent_state: false,
        queue_enabled: false,
        in_buffers: InBuffers::new(),
    };
    world.ask(node, &mut brain, request);
    world.nodes[node].brain = Some(brain);
    world
}

#[test]
fn i15_a_refusal_that_changes_what_is_wanted() {
    assert_eq!(broken(&with_refusal(&[])), "nothing");
    assert_eq!(broken(&with_refusal(&[Mutant::RefusedIsKept])), "I15");
}

#[test]
fn i13_everything_is_stopped_while_the_store_alone_is_silent() {
    let setup = Setup { nodes: Some(3), groups_by: GroupsBy::Simple, ..Setup::default() };
    let calm = (0..200).find(|seed| World::new(*seed, &setup, None).calm).expect("a calm seed");
    let silence =
        Fault { kind: Kind::StoreDown, at_node: 0, from: 40 * SECOND, lasts: 60 * SECOND, value: 0 };
    let violation = crate::run_with(calm, &setup, &[silence]).expect("longer than any timing allows");
    assert_eq!(violation.invariant, "I13");
}

#[test]
fn a_run_in_which_time_stands_still_ends() {
    let mut world = quiet(1);
    let at = world.now + SECOND;
    for _ in 0..=MOST_AT_ONCE + 1 {
        world.push(at, Happening::StartProcess { node: 0 });
    }
    world.go_on(at + SECOND);
    assert_eq!(broken(&world), "I12");
    assert!(world.violation.unwrap().what.contains("time stands still"));
}

#[test]
fn a_node_that_asks_and_asks_has_no_rest() {
    let mut world = quiet(1);
    for _ in 0..MOST_A_SECOND {
        assert_eq!(broken(&world), "nothing");
        world.send(0, Ask::List);
    }
    assert_eq!(broken(&world), "I12");
}
