//! What resource DLLs ask and store through ClusAPI goes to the node, and comes back from it.

use std::collections::BTreeMap;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clusapi::{Change, Cluster, GroupFacts, Keeper, ResourceFacts, Stored, Tree};
use stead_monitor_protocol::{
    Answer, Answered, AskId, FromMonitor, Hex, InstanceId, KeyChange, Named, Question,
};
use stead_resapi as abi;
use stead_types::Code;

use crate::control;
use crate::engine::{self, Engine, Instance, lock, now};

/// A resource DLL waits so long for an answer. A node that is started again after a crash needs a second.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// `ERROR_POSSIBLE_DEADLOCK`.
const POSSIBLE_DEADLOCK: u32 = 1131;

struct Pending {
    /// To be sent again to the next node.
    message: FromMonitor,
    /// What becomes true with a good answer.
    changes: Option<(Arc<Tree>, Vec<Change>)>,
    /// Told the answer, on the thread that reads them.
    then: Box<dyn FnOnce(Code, Answer) + Send>,
}

struct State {
    next: u64,
    pending: BTreeMap<AskId, Pending>,
}

/// Questions that are on their way.
pub(crate) struct Asking {
    send: Box<dyn Fn(&FromMonitor) + Send + Sync>,
    state: Mutex<State>,
}

impl Asking {
    /// Sends questions with `send`.
    pub(crate) fn new(send: impl Fn(&FromMonitor) + Send + Sync + 'static) -> Self {
        // A late answer to an earlier process in this place must not meet a question of this one.
        let next =
            u64::try_from(now().since(stead_types::Time::default()).as_nanos()).unwrap_or(u64::MAX / 2);
        Asking { send: Box::new(send), state: Mutex::new(State { next, pending: BTreeMap::new() }) }
    }

    /// Asks. The answer is told to `then`, on the thread that reads answers: it must not wait for another one.
    pub(crate) fn ask(
        &self,
        question: Question,
        changes: Option<(Arc<Tree>, Vec<Change>)>,
        then: impl FnOnce(Code, Answer) + Send + 'static,
    ) {
        let mut state = lock(&self.state);
        state.next += 1;
        let ask = AskId(state.next);
        let message = FromMonitor::Ask { ask, question };
        // Sent under the lock: changes of one value are stored in the order in which they become true here.
        (self.send)(&message);
        state.pending.insert(ask, Pending { message, changes, then: Box::new(then) });
    }

    /// Asks, and waits.
    ///
    /// # Errors
    /// 1460 if there was no answer in time; it may still come, and what it makes true is true then.
    fn wait(
        &self,
        question: Question,
        changes: Option<(Arc<Tree>, Vec<Change>)>,
    ) -> Result<(Code, Answer), u32> {
        let (tell, told) = channel();
        self.ask(question, changes, move |code, answer| {
            // Nobody listens any more if the resource DLL has lost patience.
            let _ = tell.send((code, answer));
        });
        told.recv_timeout(PATIENCE).map_err(|_| abi::ERROR_TIMEOUT)
    }

    fn answer(&self, question: Question) -> Result<Answer, u32> {
        match self.wait(question, None)? {
            (Code::SUCCESS, answer) => Ok(answer),
            (code, _) => Err(code.0),
        }
    }

    /// Takes an answer in. One that nobody asked for any more is dropped.
    pub(crate) fn answered(&self, answered: Answered) {
        let Some(pending) = lock(&self.state).pending.remove(&answered.ask) else { return };
        if answered.code.is_success()
            && let Some((tree, changes)) = &pending.changes
        {
            tree.apply(changes);
        }
        (pending.then)(answered.code, answered.answer);
    }

    /// Answers the greeting of a new node, and asks it what the last one has not answered. Nothing comes between: the
    /// node takes no question in before the answer, and then all of them in their order.
    pub(crate) fn again(&self, hello: &FromMonitor) {
        let state = lock(&self.state);
        (self.send)(hello);
        for pending in state.pending.values() {
            (self.send)(&pending.message);
        }
    }
}

fn to_wire(change: &Change) -> KeyChange {
    match change.clone() {
        Change::CreateKey { path } => KeyChange::CreateKey { path },
        Change::DeleteKey { path } => KeyChange::DeleteKey { path },
        Change::Set { path, name, value: Stored { kind, data } } => {
            KeyChange::Set { path, name, kind, data: Hex(data) }
        }
        Change::Delete { path, name } => KeyChange::Delete { path, name },
    }
}

/// Changes that the node has stored.
pub(crate) fn from_wire(changes: &[KeyChange]) -> Vec<Change> {
    let one = |change: &KeyChange| match change.clone() {
        KeyChange::CreateKey { path } => Change::CreateKey { path },
        KeyChange::DeleteKey { path } => Change::DeleteKey { path },
        KeyChange::Set { path, name, kind, data } => {
            Change::Set { path, name, value: Stored { kind, data: data.0 } }
        }
        KeyChange::Delete { path, name } => Change::Delete { path, name },
    };
    changes.iter().map(one).collect()
}

/// Keeps the keys of one instance in the cluster database.
pub(crate) struct ByNode {
    pub(crate) asking: &'static Asking,
    pub(crate) instance: InstanceId,
}

impl Keeper for ByNode {
    fn keep(&self, tree: &Arc<Tree>, changes: Vec<Change>) -> Result<(), u32> {
        let wire = changes.iter().map(to_wire).collect();
        let question = Question::Store { instance: self.instance, changes: wire };
        match self.asking.wait(question, Some((Arc::clone(tree), changes)))? {
            (Code::SUCCESS, _) => Ok(()),
            (code, _) => Err(code.0),
        }
    }
}

/// Refuses: for keys of resources that live elsewhere.
struct ReadOnly;

impl Keeper for ReadOnly {
    fn keep(&self, _: &Arc<Tree>, _: Vec<Change>) -> Result<(), u32> {
        Err(abi::ERROR_ACCESS_DENIED)
    }
}

/// Refuses a call that could begin only when the one this thread is inside has returned.
pub(crate) fn not_inside(instance: &Instance) -> Result<(), u32> {
    if engine::inside() == Some(instance.id) { Err(POSSIBLE_DEADLOCK) } else { Ok(()) }
}

/// The answer to a control code as ClusAPI gives it: code, output, the bytes wanted.
pub(crate) fn controlled(code: Code, output: Vec<u8>) -> (u32, Vec<u8>, u32) {
    if code == Code::ERROR_MORE_DATA {
        // The size needed stands where the output would be.
        let wanted = output.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        return (code.0, Vec::new(), wanted);
    }
    let wanted = u32::try_from(output.len()).unwrap_or(u32::MAX);
    (code.0, output, wanted)
}

/// The cluster, as the node knows it.
pub(crate) struct Around {
    pub(crate) asking: &'static Asking,
    pub(crate) engine: &'static Engine,
}

/// An answer of another kind than the question.
const NONSENSE: u32 = abi::RPC_X_BAD_STUB_DATA;

impl Around {
    fn names(&self, of: Named) -> Result<Vec<String>, u32> {
        let mut all: Vec<String> = Vec::new();
        loop {
            let question = Question::Names { of, after: all.last().cloned() };
            let Answer::Names { names, more } = self.asking.answer(question)? else { return Err(NONSENSE) };
            let last = names.is_empty() || !more;
            all.extend(names);
            if last {
                return Ok(all);
            }
        }
    }
}

impl Cluster for Around {
    fn name(&self) -> Result<String, u32> {
        let answer = self.asking.answer(Question::Cluster)?;
        let Answer::Cluster { name, .. } = answer else { return Err(NONSENSE) };
        Ok(name)
    }

    fn nodes(&self) -> Result<Vec<(String, i32)>, u32> {
        let answer = self.asking.answer(Question::Cluster)?;
        let Answer::Cluster { nodes, .. } = answer else { return Err(NONSENSE) };
        Ok(nodes.into_iter().map(|node| (node.name.to_string(), node.state.number())).collect())
    }

    fn resources(&self) -> Result<Vec<String>, u32> {
        self.names(Named::Resources)
    }

    fn groups(&self) -> Result<Vec<String>, u32> {
        self.names(Named::Groups)
    }

    fn types(&self) -> Result<Vec<String>, u32> {
        self.names(Named::Types)
    }

    fn resource(&self, name: &str) -> Result<ResourceFacts, u32> {
        let answer = self.asking.answer(Question::Resource { name: name.to_owned() })?;
        let Answer::Resource(facts) = answer else { return Err(NONSENSE) };
        Ok(ResourceFacts {
            name: facts.name.to_string(),
            type_name: facts.type_name.to_string(),
            group: facts.group.to_string(),
            node: facts.node.to_string(),
            state: facts.state.number(),
            providers: facts.providers,
            dependents: facts.dependents,
            expression: facts.expression,
        })
    }

    fn group(&self, name: &str) -> Result<GroupFacts, u32> {
        let answer = self.asking.answer(Question::Group { name: name.to_owned() })?;
        let Answer::Group(facts) = answer else { return Err(NONSENSE) };
        Ok(GroupFacts {
            name: facts.name.to_string(),
            node: facts.node.to_string(),
            state: facts.state.number(),
            resources: facts.resources,
        })
    }

    fn control(
        &self,
        resource: &str,
        code: u32,
        input: &[u8],
        out_size: u32,
    ) -> Result<(u32, Vec<u8>, u32), u32> {
        if let Some(instance) = self.engine.named(resource) {
            not_inside(&instance)?;
        }
        let in_buffer = Hex(input.to_vec());
        let question = Question::Control { name: resource.to_owned(), code, in_buffer, out_size };
        let (code, answer) = self.asking.wait(question, None)?;
        let Answer::Output(Hex(output)) = answer else {
            return if code.is_success() { Err(NONSENSE) } else { Err(code.0) };
        };
        Ok(controlled(code, output))
    }

    fn keys(&self, resource: &str) -> Result<Arc<Tree>, u32> {
        if let Some(instance) = self.engine.named(resource) {
            return Ok(Arc::clone(&instance.tree));
        }
        let answer = self.asking.answer(Question::Keys { name: resource.to_owned() })?;
        let Answer::Keys { properties, keys } = answer else { return Err(NONSENSE) };
        let tree = Tree::new(ReadOnly, control::stored(&properties.0, &Vec::new()));
        tree.apply(&from_wire(&keys));
        Ok(tree)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: FromMonitor = FromMonitor::Hello { version: 1 };

    fn leak<T>(value: T) -> &'static T {
        Box::leak(Box::new(value))
    }

    /// A node that answers everything with `code`, on a thread of its own.
    fn answering(code: Code) -> &'static Asking {
        let (questions, asked) = channel::<FromMonitor>();
        let questions = Mutex::new(questions);
        let asking = leak(Asking::new(move |message| lock(&questions).send(message.clone()).unwrap()));
        std::thread::spawn(move || {
            for message in asked {
                let FromMonitor::Ask { ask, .. } = message else { panic!("{message:?}") };
                asking.answered(Answered { ask, code, answer: Answer::Nothing });
            }
        });
        asking
    }

    fn change(name: &str) -> Change {
        let value = Stored { kind: 4, data: vec![1, 0, 0, 0] };
        Change::Set { path: "Parameters".to_owned(), name: name.to_owned(), value }
    }

    #[test]
    fn a_change_is_there_when_the_node_has_stored_it_and_not_when_it_refused() {
        for (code, expected) in [(Code::SUCCESS, 1), (Code::ERROR_DISK_FULL, 0)] {
            let tree = Tree::new(ByNode { asking: answering(code), instance: InstanceId(1) }, []);
            let result = tree.change(vec![change("a")]);
            assert_eq!(result, if code.is_success() { Ok(()) } else { Err(code.0) });
            assert_eq!(tree.parameters().len(), expected);
        }
    }

    #[test]
    fn a_new_node_is_asked_again_what_the_last_one_did_not_answer() {
        let (questions, asked) = channel::<FromMonitor>();
        let questions = Mutex::new(questions);
        let asking = leak(Asking::new(move |message| lock(&questions).send(message.clone()).unwrap()));
        let tree = Tree::new(ByNode { asking, instance: InstanceId(1) }, []);
        let changed = {
            let tree = Arc::clone(&tree);
            std::thread::spawn(move || tree.change(vec![change("a")]))
        };
        let first = asked.recv().unwrap();
        asking.again(&HELLO);
        assert_eq!(asked.recv().unwrap(), HELLO);
        assert_eq!(asked.recv().unwrap(), first);
        let FromMonitor::Ask { ask, .. } = first else { panic!("{first:?}") };
        let answered = Answered { ask, code: Code::SUCCESS, answer: Answer::Nothing };
        asking.answered(answered.clone());
        assert_eq!(changed.join().unwrap(), Ok(()));
        assert_eq!(tree.parameters().len(), 1);
        // A second answer, of the node that died, changes nothing.
        asking.answered(answered);
        asking.again(&HELLO);
        assert_eq!(asked.recv().unwrap(), HELLO);
        assert!(asked.try_recv().is_err());
    }
}
