//! What resource DLLs ask and store through ClusAPI goes to the node, and comes back from it.

use std::collections::BTreeMap;
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clusapi::{Change, Cluster, GroupFacts, Keeper, ResourceFacts, Stored, Tree};
use stead_monitor_protocol::{
    Answer, Answered, AskId, FromMonitor, Hex, InstanceId, KeyChange, LONGEST_MESSAGE, Named, Question,
};
use stead_resapi as abi;
use stead_types::Code;

use crate::control;
use crate::engine::{self, Engine, Instance, lock, now};

/// A resource DLL waits so long for an answer. A node that is started again after a crash needs a second.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long this thread waits. Inside an entry point not to its deadline: a node that is away must not cost the resource
/// DLL its monitor.
pub(crate) fn patience() -> Duration {
    engine::left().map_or(PATIENCE, |left| PATIENCE.min(left / 2))
}

/// `ERROR_POSSIBLE_DEADLOCK`.
pub(crate) const POSSIBLE_DEADLOCK: u32 = 1131;

/// So many changes of one monitor are on their way to the node at once; more wait here for their turn. The node keeps
/// each until it is stored, and has others to serve.
const MOST_STORES: usize = 64;

/// The bit of a control code that says that it changes something.
///
/// Windows: mscs/control-code-architecture
const MODIFY: u32 = 0x0040_0000;
/// The bits that say with what access it is sent, and what they are in one that reads.
const ACCESS: u32 = 3;
const READ: u32 = 1;

/// What becomes of a question that a node did not answer.
pub(crate) enum Sort {
    /// Asked again, as long as somebody waits.
    Reads,
    /// Never done twice: it has failed, and nobody knows how far it came.
    Acts,
    /// Asked again until it is answered: then this is true.
    Stores(Arc<Tree>, Vec<Change>),
}

/// Told the answer.
type Then = Box<dyn FnOnce(Code, Answer) + Send>;

struct Pending {
    /// The message.
    bytes: Vec<u8>,
    sort: Sort,
    /// Told the answer, on the thread that reads them.
    then: Then,
}

struct State {
    next: u64,
    pending: BTreeMap<AskId, Pending>,
    /// Of them, those that store.
    stores: usize,
}

/// Questions that are on their way.
pub(crate) struct Asking {
    send: Box<dyn Fn(Vec<u8>) + Send + Sync>,
    state: Mutex<State>,
    /// Fewer stores are on their way.
    room: Condvar,
}

impl Asking {
    /// Sends questions with `send`.
    pub(crate) fn new(send: impl Fn(Vec<u8>) + Send + Sync + 'static) -> Self {
        // A late answer to an earlier process in this place must not meet a question of this one.
        let next =
            u64::try_from(now().since(stead_types::Time::default()).as_nanos()).unwrap_or(u64::MAX / 2);
        let state = State { next, pending: BTreeMap::new(), stores: 0 };
        Asking { send: Box::new(send), state: Mutex::new(state), room: Condvar::new() }
    }

    /// Asks. The answer is told to `then`, on the thread that reads answers: it must not wait for another one. What
    /// cannot be asked is answered at once: 1460 if there was no room before `until`, 87 or 1816 if it is too long.
    pub(crate) fn ask(
        &self,
        question: Question,
        sort: Sort,
        until: Instant,
        then: impl FnOnce(Code, Answer) + Send + 'static,
    ) -> Option<AskId> {
        let then = Box::new(then);
        match self.send_off(question, sort, until, then) {
            Ok(ask) => Some(ask),
            Err((code, then)) => {
                then(Code(code), Answer::Nothing);
                None
            }
        }
    }

    fn send_off(
        &self,
        question: Question,
        sort: Sort,
        until: Instant,
        then: Then,
    ) -> Result<AskId, (u32, Then)> {
        let stores = matches!(sort, Sort::Stores(..));
        let mut state = lock(&self.state);
        while stores && state.stores >= MOST_STORES {
            let left = until.saturating_duration_since(Instant::now());
            let waited = self.room.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
            state = waited.0;
            if waited.1.timed_out() && state.stores >= MOST_STORES {
                return Err((abi::ERROR_TIMEOUT, then));
            }
        }
        let ask = AskId(state.next + 1);
        let Ok(bytes) = serde_json::to_vec(&FromMonitor::Ask { ask, question }) else {
            return Err((NONSENSE, then));
        };
        if bytes.len() > LONGEST_MESSAGE {
            let code = if stores { abi::ERROR_NOT_ENOUGH_QUOTA } else { abi::ERROR_INVALID_PARAMETER };
            return Err((code, then));
        }
        state.next += 1;
        state.stores += usize::from(stores);
        // Sent under the lock: changes of one value are stored in the order in which they become true here.
        (self.send)(bytes.clone());
        state.pending.insert(ask, Pending { bytes, sort, then });
        Ok(ask)
    }

    /// Asks, and waits.
    ///
    /// # Errors
    /// 1460 if there was no answer in time; what it stores may still become true.
    fn wait(&self, question: Question, sort: Sort) -> Result<(Code, Answer), u32> {
        let until = Instant::now() + patience();
        let (tell, told) = channel();
        let stores = matches!(sort, Sort::Stores(..));
        let ask = self.ask(question, sort, until, move |code, answer| {
            // Nobody listens any more if the resource DLL has lost patience.
            let _ = tell.send((code, answer));
        });
        told.recv_timeout(until.saturating_duration_since(Instant::now())).map_err(|_| {
            if let (false, Some(ask)) = (stores, ask) {
                lock(&self.state).pending.remove(&ask);
            }
            abi::ERROR_TIMEOUT
        })
    }

    fn answer(&self, question: Question) -> Result<Answer, u32> {
        match self.wait(question, Sort::Reads)? {
            (Code::SUCCESS, answer) => Ok(answer),
            (code, _) => Err(code.0),
        }
    }

    /// Takes an answer in. One that nobody asked for any more is dropped.
    pub(crate) fn answered(&self, answered: Answered) {
        let pending = {
            let mut state = lock(&self.state);
            let Some(pending) = state.pending.remove(&answered.ask) else { return };
            if matches!(pending.sort, Sort::Stores(..)) {
                state.stores -= 1;
                self.room.notify_one();
            }
            pending
        };
        if answered.code.is_success()
            && let Sort::Stores(tree, changes) = &pending.sort
        {
            tree.apply(changes);
        }
        (pending.then)(answered.code, answered.answer);
    }

    /// Answers the greeting of a new node, and asks it what the last one has not answered. Nothing comes between: the
    /// node takes no question in before the answer, and then all of them in their order.
    pub(crate) fn again(&self, hello: &FromMonitor) {
        let Ok(hello) = serde_json::to_vec(hello) else { return };
        let mut failed = Vec::new();
        {
            let mut state = lock(&self.state);
            (self.send)(hello);
            for (ask, pending) in std::mem::take(&mut state.pending) {
                match pending.sort {
                    Sort::Reads | Sort::Stores(..) => {
                        (self.send)(pending.bytes.clone());
                        state.pending.insert(ask, pending);
                    }
                    Sort::Acts => failed.push(pending),
                }
            }
        }
        for pending in failed {
            (pending.then)(Code::RPC_S_CALL_FAILED, Answer::Nothing);
        }
    }
}

/// A vendor's code may do anything unless it says that it only reads.
fn sort_of(control_code: u32) -> Sort {
    if control_code & (MODIFY | ACCESS) == READ { Sort::Reads } else { Sort::Acts }
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
        match self.asking.wait(question, Sort::Stores(Arc::clone(tree), changes))? {
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
        let (code, answer) = self.asking.wait(question, sort_of(code))?;
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
    use std::sync::mpsc::Receiver;
    use std::thread::JoinHandle;

    use super::*;

    const HELLO: FromMonitor = FromMonitor::Hello { version: 1 };

    fn leak<T>(value: T) -> &'static T {
        Box::leak(Box::new(value))
    }

    fn read(bytes: &[u8]) -> FromMonitor {
        serde_json::from_slice(bytes).unwrap()
    }

    fn ask_id(message: &FromMonitor) -> AskId {
        let FromMonitor::Ask { ask, .. } = message else { panic!("{message:?}") };
        *ask
    }

    fn good(ask: AskId) -> Answered {
        Answered { ask, code: Code::SUCCESS, answer: Answer::Nothing }
    }

    /// Questions that nobody answers.
    fn unanswered() -> (&'static Asking, Receiver<FromMonitor>) {
        let (questions, asked) = channel::<FromMonitor>();
        let questions = Mutex::new(questions);
        (leak(Asking::new(move |bytes| lock(&questions).send(read(&bytes)).unwrap())), asked)
    }

    /// A node that answers everything with `code`, on a thread of its own.
    fn answering(code: Code) -> &'static Asking {
        let (asking, asked) = unanswered();
        std::thread::spawn(move || {
            for message in asked {
                asking.answered(Answered { ask: ask_id(&message), code, answer: Answer::Nothing });
            }
        });
        asking
    }

    fn change(name: &str) -> Change {
        let value = Stored { kind: 4, data: vec![1, 0, 0, 0] };
        Change::Set { path: "Parameters".to_owned(), name: name.to_owned(), value }
    }

    fn tree(asking: &'static Asking) -> Arc<Tree> {
        Tree::new(ByNode { asking, instance: InstanceId(1) }, [])
    }

    fn change_aside(tree: &Arc<Tree>, name: &'static str) -> JoinHandle<Result<(), u32>> {
        let tree = Arc::clone(tree);
        std::thread::spawn(move || tree.change(vec![change(name)]))
    }

    #[test]
    fn a_change_is_there_when_the_node_has_stored_it_and_not_when_it_refused() {
        for (code, expected) in [(Code::SUCCESS, 1), (Code::ERROR_DISK_FULL, 0)] {
            let tree = tree(answering(code));
            let result = tree.change(vec![change("a")]);
            assert_eq!(result, if code.is_success() { Ok(()) } else { Err(code.0) });
            assert_eq!(tree.parameters().len(), expected);
        }
    }

    #[test]
    fn a_new_node_is_asked_again_what_the_last_one_did_not_answer() {
        let (asking, asked) = unanswered();
        let tree = tree(asking);
        let changed = change_aside(&tree, "a");
        let first = asked.recv().unwrap();
        asking.again(&HELLO);
        assert_eq!(asked.recv().unwrap(), HELLO);
        assert_eq!(asked.recv().unwrap(), first);
        asking.answered(good(ask_id(&first)));
        assert_eq!(changed.join().unwrap(), Ok(()));
        assert_eq!(tree.parameters().len(), 1);
        // A second answer, of the node that died, changes nothing.
        asking.answered(good(ask_id(&first)));
        asking.again(&HELLO);
        assert_eq!(asked.recv().unwrap(), HELLO);
        assert!(asked.try_recv().is_err());
    }

    fn control(asking: &'static Asking, code: u32) -> JoinHandle<Result<(Code, Answer), u32>> {
        std::thread::spawn(move || {
            let (name, in_buffer) = ("other".to_owned(), Hex::default());
            let sort = sort_of(code);
            asking.wait(Question::Control { name, code, in_buffer, out_size: 0 }, sort)
        })
    }

    #[test]
    fn a_control_code_that_changes_something_is_never_sent_twice() {
        let (asking, asked) = unanswered();
        let vendors = 0x0120_0004;
        let acts = [abi::CLUSCTL_RESOURCE_SET_PRIVATE_PROPERTIES, vendors].map(|code| {
            let act = control(asking, code);
            asked.recv().unwrap();
            act
        });
        let get = control(asking, abi::CLUSCTL_RESOURCE_GET_PRIVATE_PROPERTIES);
        let reads = asked.recv().unwrap();
        asking.again(&HELLO);
        assert_eq!(asked.recv().unwrap(), HELLO);
        assert_eq!(asked.recv().unwrap(), reads);
        assert!(asked.try_recv().is_err());
        for act in acts {
            assert_eq!(act.join().unwrap(), Ok((Code::RPC_S_CALL_FAILED, Answer::Nothing)));
        }
        asking.answered(good(ask_id(&reads)));
        assert_eq!(get.join().unwrap(), Ok((Code::SUCCESS, Answer::Nothing)));
    }

    #[test]
    fn what_is_too_long_for_a_message_is_refused_at_once() {
        let (asking, asked) = unanswered();
        let value = Stored { kind: 3, data: vec![0; 65_536] };
        let set =
            |name: &str| Change::Set { path: String::new(), name: name.to_owned(), value: value.clone() };
        assert_eq!(tree(asking).change(vec![set("a"), set("b")]), Err(abi::ERROR_NOT_ENOUGH_QUOTA));
        let long = "n".repeat(LONGEST_MESSAGE);
        assert_eq!(asking.answer(Question::Resource { name: long }), Err(abi::ERROR_INVALID_PARAMETER));
        assert!(asked.try_recv().is_err());
        assert!(lock(&asking.state).pending.is_empty());
    }

    #[test]
    fn more_changes_than_the_node_should_keep_wait_for_their_turn() {
        let (asking, asked) = unanswered();
        let tree = tree(asking);
        let threads: Vec<_> = (0..MOST_STORES + 8).map(|_| change_aside(&tree, "a")).collect();
        let mut sent: Vec<AskId> = (0..MOST_STORES).map(|_| ask_id(&asked.recv().unwrap())).collect();
        // A question is not held up by them: an answer to a store may need it.
        let read = std::thread::spawn(|| asking.answer(Question::Cluster));
        let message = asked.recv().unwrap();
        assert!(matches!(&message, FromMonitor::Ask { question: Question::Cluster, .. }), "{message:?}");
        asking.answered(good(ask_id(&message)));
        assert_eq!(read.join().unwrap(), Ok(Answer::Nothing));
        assert!(asked.try_recv().is_err());
        for _ in 0..8 {
            asking.answered(good(sent.pop().unwrap()));
            sent.push(ask_id(&asked.recv().unwrap()));
        }
        for ask in sent {
            asking.answered(good(ask));
        }
        assert!(threads.into_iter().all(|thread| thread.join().unwrap() == Ok(())));
        assert_eq!(lock(&asking.state).stores, 0);
    }
}
