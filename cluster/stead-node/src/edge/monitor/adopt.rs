//! Monitors that ran before this node did are taken over without touching a resource.

use super::*;

fn news_of(report: &InstanceReport) -> Vec<News> {
    let mut news = vec![News::State {
        state: report.state,
        settled: report.settled,
        code: report.code,
        flags: stead_types::StatusFlags::NONE,
        why: "found so when the node started",
    }];
    if report.locked {
        news.push(News::Locked { locked: true, keep_queued: false });
    }
    if report.checkpoint != 0 {
        news.push(News::Checkpoint(report.checkpoint));
    }
    news
}

impl Monitors {
    /// Takes the link to a monitor: one asked for, or one that ran before this node did.
    pub(super) fn attach(&mut self, key: MonitorKey, link: Link<OwnedFd>) {
        let token = match self.by_key.get(&key) {
            Some(monitor) => monitor.token,
            None => {
                self.next_token += 1;
                self.next_token
            }
        };
        let data = epoll::EventData::new_u64(token);
        if let Err(error) = epoll::add(&self.epoll, &link, data, epoll::EventFlags::IN) {
            tracing::error!(monitor = %key, %error, "link could not be watched");
        }
        let adopting = !self.listed && !self.by_key.contains_key(&key);
        let sync = adopting.then(|| self.pending(&key, Pending::Sync));
        let hello = ToMonitor::Hello { version: VERSION, node: self.node.clone() };
        let mut first: Vec<ToMonitor> = vec![hello];
        first.extend(sync.map(|op| ToMonitor::Sync { op }));
        let monitor = self.by_key.entry(key.clone()).or_insert_with(|| Monitor {
            token,
            link: None,
            out: VecDeque::new(),
            phase: Phase::Starting,
            stuck: None,
            broke: None,
            ending: None,
        });
        self.by_token.insert(token, key.clone());
        monitor.link = Some(link);
        monitor.phase =
            if adopting { Phase::Adopting { greeted: false, reports: Vec::new() } } else { Phase::Greeted };
        for message in first.iter().rev() {
            if let Ok(bytes) = serde_json::to_vec(message) {
                monitor.out.push_front(bytes);
            }
        }
        self.flush(&key);
    }

    pub(super) fn finish_adoption(&mut self) {
        let waiting = self.by_key.values().any(|monitor| matches!(monitor.phase, Phase::Adopting { .. }));
        if self.adopted || waiting || !self.listed {
            return;
        }
        self.adopted = true;
        for id in self.by_key.keys().filter_map(id_of) {
            self.running.entry(id).or_default();
        }
        let running = std::mem::take(&mut self.running);
        self.events.push_back(MonitorEvent::Adopted(running.into_iter().collect()));
        self.events.append(&mut self.held);
        if self.by_key.contains_key(&MonitorKey::Check) {
            self.checks_end = true;
            self.tell_guardian(&ToGuardian::Kill { monitor: MonitorKey::Check, fence: false });
        }
    }

    pub(super) fn adopt(&mut self, key: &MonitorKey, report: &InstanceReport) {
        let Some(monitor) = self.by_key.get_mut(key) else { return };
        let Phase::Adopting { reports, .. } = &mut monitor.phase else { return };
        for news in news_of(report) {
            reports.push(Report { resource: report.resource.clone(), news });
        }
        let resource = report.resource.clone();
        self.open.insert(resource.clone(), report.instance);
        self.instances
            .insert(report.instance, Instance { resource, monitor: key.clone(), process: report.process });
    }
}
