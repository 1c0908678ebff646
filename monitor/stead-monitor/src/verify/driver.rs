//! Carries out the steps of one trial on a resource DLL, in a process that may be lost.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use clusapi::{InMemory, Tree};
use libloading::os::unix::Library;
use stead_resapi as abi;
use stead_resapi::{Property, PropertyList};
use stead_types::PropertyMap;

use crate::control as defaults;
use crate::dll::{Builtin, Dll, Exports, Resid, set_callbacks};
use crate::dll_main;
use crate::engine::lock;

use super::around;
use super::foreign;
use super::plan::{Given, Point, Range, Spec, Step};
use super::recorder::{Recorder, Slot};
use super::trace::{Phase, What};
use super::usage::{self, Watch, World};

mod controls;
mod cycles;
mod operate;
mod questions;

/// A type name that no resource DLL serves.
pub(crate) const NO_SUCH_TYPE: &str = "stead verify: no such resource type";

/// Versions that do not exist.
pub(crate) const FUTURE: (u32, u32) = (0x7f00, 0x7fff);

/// So often in a row `IsAlive` is asked for the reason of an event.
const NEWS: u32 = 5;

/// The trial cannot go on; what is open is ended in order.
pub(super) struct Stop(String);

/// What a step comes to.
pub(super) type Carried = Result<(), Stop>;

/// The one recorder of the process.
fn recorder(out: File) -> &'static Recorder {
    static RECORDER: OnceLock<Recorder> = OnceLock::new();
    RECORDER.get_or_init(|| Recorder::new(out))
}

pub(super) struct Driver {
    pub(super) spec: Spec,
    pub(super) recorder: &'static Recorder,
    exports: Exports,
    library: Option<Library>,
    dll: Option<Arc<Dll>>,
    surroundings: Watch,
    pub(super) world: World,
    settled: bool,
    /// It has been online in this trial, or in one before.
    was_online: bool,
    /// The workload as it was last seen online.
    workload: BTreeSet<u32>,
}

/// The program of a trial: what to do comes on standard input, what happens goes to standard output, one JSON a line.
pub(crate) fn trial_main(builtin: &'static [Builtin]) -> ExitCode {
    foreign::forget_exact();
    let mut text = String::new();
    if std::io::stdin().read_to_string(&mut text).is_err() {
        return ExitCode::from(70);
    }
    let spec: Spec = match serde_json::from_str(&text) {
        Ok(spec) => spec,
        Err(error) => {
            complain!("stead verify: a trial without a script: {error}");
            return ExitCode::from(70);
        }
    };
    // What the resource DLL prints must not get between the records.
    let out = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3);
    let (Ok(out), Ok(())) = (out, rustix::stdio::dup2_stdout(rustix::stdio::stderr())) else {
        return ExitCode::from(70);
    };
    if rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL)).is_err() {
        return ExitCode::from(70);
    }
    if let Err(error) = crate::privilege::give_up() {
        complain!("stead verify: {error}");
    }
    let recorder = recorder(File::from(out));
    set_callbacks(recorder);
    let (exports, library) = match find(&spec, builtin, recorder) {
        Ok(found) => found,
        Err((code, text)) => {
            recorder.write(What::Refused { code, text });
            recorder.write(What::Done);
            return ExitCode::SUCCESS;
        }
    };
    around::connect(recorder, &spec.type_name);
    let world = World::new(spec.workload.clone());
    let (steps, was_online) = (spec.steps.clone(), spec.able);
    let mut driver = Driver {
        spec,
        was_online,
        recorder,
        exports,
        library,
        dll: None,
        surroundings: Watch::new(),
        world,
        settled: false,
        workload: BTreeSet::new(),
    };
    for step in steps {
        if let Err(Stop(text)) = driver.carry_out(step) {
            recorder.write(What::Skipped { text });
            driver.give_up();
            break;
        }
    }
    if driver.settled {
        driver.say(What::Surroundings(driver.surroundings.look()));
    }
    recorder.write(What::Done);
    // No destructors of the DLL: the process ends here whatever its threads do.
    end_now()
}

fn end_now() -> ExitCode {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    ExitCode::SUCCESS
}

type NotFound = (u32, String);

fn find(
    spec: &Spec,
    builtin: &'static [Builtin],
    recorder: &Recorder,
) -> Result<(Exports, Option<Library>), NotFound> {
    match &spec.file {
        Some(file) => {
            // Constructors run inside, and may do anything.
            let (call, entry) = (recorder.number(), "dlopen".to_owned());
            recorder.write(What::Call { call, entry, instance: 0, args: String::new() });
            let began = Instant::now();
            let found = Dll::exports(file).map_err(|error| (error.code.0, error.text));
            let took_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
            let value = i64::from(found.is_ok());
            recorder.write(What::Return { call, value, last_error: 0, took_us, event: 0 });
            found.map(|(exports, library)| (exports, Some(library)))
        }
        None => {
            let same = |builtin: &&Builtin| builtin.type_name.eq_ignore_ascii_case(&spec.type_name);
            let found = builtin.iter().find(same).or_else(|| builtin.first());
            let found =
                found.ok_or((abi::ERROR_CLUSTER_RESNAME_NOT_FOUND, "no type is shipped".to_owned()))?;
            Ok((Exports { startup_ex: Some(found.startup_ex), startup: None }, None))
        }
    }
}

impl Driver {
    fn carry_out(&mut self, step: Step) -> Carried {
        match step {
            Step::Startup(known, range) => {
                self.start_up(known, range);
                Ok(())
            }
            Step::Load => self.load(),
            Step::Open(index, given) => self.open(index, given),
            Step::Give(index) => {
                let (spec, dll) = (&self.spec, self.dll()?);
                let values = defaults::stored(&spec.properties.0, defaults::formats_of(dll));
                self.recorder.slots()[index as usize].tree.replace_parameters(values, &[]);
                Ok(())
            }
            Step::Online(index, flags, buffer) => {
                self.online(index, flags, buffer)?;
                // Once may be bad luck of the workload.
                if !self.is_online(index) && self.was_online {
                    self.online(index, flags, buffer)?;
                }
                self.was_online |= self.is_online(index);
                Ok(())
            }
            Step::TryOnline(index) => self.online(index, 0, false),
            Step::NeedOnline(index) => self.need_online(index),
            Step::OnlineOnly(index) => self.call_online(index, 0, false).map(|_| ()),
            Step::OnlineAgainstTerminate(index) => self.against_terminate(index, true),
            Step::Offline(index, flags, destination) => self.offline(index, flags, destination),
            Step::OfflineAgainstTerminate(index) => self.against_terminate(index, false),
            Step::AnswerTerminate(index) => {
                self.recorder.slots()[index as usize].tell_terminate = true;
                Ok(())
            }
            Step::Terminate(index) => self.terminate(index),
            Step::Close(index) => self.close(index),
            Step::LooksAlive(index, times) => {
                for _ in 0..times {
                    self.poll(index, true)?;
                    self.recorder.pause(Duration::from_millis(5));
                }
                Ok(())
            }
            Step::IsAlive(index, times) => {
                for _ in 0..times {
                    self.poll(index, false)?;
                    self.recorder.pause(Duration::from_millis(10));
                }
                Ok(())
            }
            Step::Cancel(index) => self.cancel(index),
            Step::LookAtEvent(index) => {
                // News that IsAlive finds harmless is no failure, if it is quiet then.
                for _ in 0..NEWS {
                    if self.event_looks(index, Duration::ZERO) != Some("signalled") {
                        break;
                    }
                    self.poll(index, false)?;
                    self.recorder.pause(Duration::from_millis(20));
                }
                self.look_at_event(index, "online", Duration::ZERO);
                Ok(())
            }
            Step::LookForWorkload(point) => {
                self.look_for_workload(point);
                Ok(())
            }
            Step::KillWorkload(index) => self.kill_workload(index),
            Step::Linger => {
                self.recorder.pause(Duration::from_millis(self.spec.linger_ms));
                Ok(())
            }
            Step::Controls(index) => self.controls(index),
            Step::Questions(index) => self.questions(index),
            Step::Together => self.together(),
            Step::Cycles(index) => self.cycles(index),
            Step::OpenCloseCycles => self.open_close_cycles(),
            Step::Unload => {
                self.unload();
                Ok(())
            }
        }
    }

    pub(super) fn dll(&self) -> Result<&Dll, Stop> {
        self.dll.as_deref().ok_or_else(|| Stop("the type has not been loaded".to_owned()))
    }

    pub(super) fn resid(&self, index: u32) -> Result<Resid, Stop> {
        let slots = self.recorder.slots();
        let resid = slots.get(index as usize).and_then(|slot| slot.resid);
        resid.ok_or_else(|| Stop(format!("instance {index} is not open")))
    }

    pub(super) fn with<T>(&self, index: u32, change: impl FnOnce(&mut Slot) -> T) -> Result<T, Stop> {
        let mut slots = self.recorder.slots();
        slots.get_mut(index as usize).map(change).ok_or_else(|| Stop(format!("instance {index} is not open")))
    }

    pub(super) fn say(&self, what: What) {
        self.recorder.write(what);
    }

    fn start_up(&self, known: bool, range: Range) {
        let type_name = if known { self.spec.type_name.clone() } else { NO_SUCH_TYPE.to_owned() };
        for ex in [true, false] {
            let there = if ex { self.exports.startup_ex.is_some() } else { self.exports.startup.is_some() };
            if !there {
                continue;
            }
            let entry = if ex { "StartupEx" } else { "Startup" }.to_owned();
            let oldest = abi::CLRES_VERSION_V1_00;
            let (min, max) = match range {
                Range::Usual if ex => (oldest, abi::CLRES_VERSION_V4_00),
                Range::Usual | Range::Oldest => (oldest, oldest),
                Range::Future => FUTURE,
            };
            let begins = What::StartupBegins { entry: entry.clone(), type_name: type_name.clone(), min, max };
            self.say(begins);
            if let Some((returned, table)) = foreign::start_up(self.exports, ex, &type_name, (min, max)) {
                let usable = returned == 0;
                self.say(What::Startup { entry, type_name: type_name.clone(), min, max, returned, table });
                // As the monitor: the older form is tried only where the newer one has no version to offer.
                if usable && range == Range::Usual {
                    break;
                }
            }
        }
    }

    fn load(&mut self) -> Carried {
        let source = self
            .spec
            .file
            .as_ref()
            .map_or("(shipped with stead)".to_owned(), |file| file.display().to_string());
        let recorder = self.recorder;
        let begins = What::StartupBegins {
            entry: "Startup".to_owned(),
            type_name: self.spec.type_name.clone(),
            min: abi::CLRES_VERSION_V1_00,
            max: abi::CLRES_VERSION_V4_00,
        };
        self.say(begins);
        let loaded = Dll::start(self.exports, &self.spec.type_name, &source, &mut |call| {
            recorder.write(What::Startup {
                entry: call.entry.to_owned(),
                type_name: String::new(),
                min: call.min,
                max: call.max,
                returned: call.returned,
                table: None,
            });
        });
        match loaded {
            Ok(dll) => {
                self.say(What::Loaded { version: dll.version });
                let dll = Arc::new(dll);
                *lock(&self.recorder.dll) = Some(Arc::clone(&dll));
                self.dll = Some(dll);
                Ok(())
            }
            Err(error) => {
                self.say(What::Refused { code: error.code.0, text: error.text.clone() });
                Err(Stop(error.text))
            }
        }
    }

    pub(super) fn open(&mut self, index: u32, given: Given) -> Carried {
        let dll = self.dll()?;
        let name = format!("{}-{index}", self.spec.name);
        let tree = match given {
            Given::All => defaults::tree(InMemory, &name, dll, &self.spec.properties.0, &[]),
            Given::Nothing => defaults::tree(InMemory, &name, dll, &PropertyMap::new(), &[]),
            Given::NoKey => Tree::bare(InMemory),
        };
        if !self.settled {
            self.say(What::Surroundings(self.surroundings.look()));
        }
        let _turn = around::turn(index);
        let key = tree.root();
        let handle = self.recorder.fresh(index as usize, &name, tree);
        let args = match given {
            Given::All => "",
            Given::Nothing => "no properties",
            Given::NoKey => "no key Parameters",
        };
        let call = self.called("Open", index, args);
        let began = Instant::now();
        let opened = dll.open(&name, key, handle, 0);
        // The code is 5017 where the DLL set none: what it set is what counts.
        let last_error = clusapi::last_error();
        let resid = opened.as_ref().ok().copied();
        self.with(index, |slot| slot.resid = resid)?;
        self.returned(call, i64::from(resid.is_some()), last_error, began, 0);
        if resid.is_none() {
            return Err(Stop(format!("Open failed with {}", stead_types::Code(last_error))));
        }
        if !self.settled {
            self.settled = true;
            self.world.settle();
        }
        Ok(())
    }

    pub(super) fn close(&mut self, index: u32) -> Carried {
        let Ok(resid) = self.resid(index) else { return Ok(()) };
        let dll = self.dll()?;
        let _turn = around::turn(index);
        self.with(index, |slot| slot.phase = Phase::InClose)?;
        let call = self.called("Close", index, "");
        let began = Instant::now();
        dll.close(resid);
        let mut slots = self.recorder.slots();
        let slot = &mut slots[index as usize];
        slot.phase = Phase::Closed;
        slot.resid = None;
        slot.online = false;
        slot.tree.close_all();
        self.returned(call, 0, 0, began, 0);
        Ok(())
    }

    pub(super) fn called(&self, entry: &str, instance: u32, args: &str) -> u32 {
        let call = self.recorder.number();
        around::enter(Some(instance));
        self.say(What::Call { call, entry: entry.to_owned(), instance, args: args.to_owned() });
        call
    }

    pub(super) fn returned(&self, call: u32, value: i64, last_error: u32, began: Instant, event: i64) {
        around::enter(None);
        let took_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.say(What::Return { call, value, last_error, took_us, event });
    }

    /// Ends what is open, in order.
    fn give_up(&mut self) {
        let open: Vec<u32> = {
            let slots = self.recorder.slots();
            (0..).zip(slots.iter()).filter(|(_, slot)| slot.resid.is_some()).map(|(index, _)| index).collect()
        };
        for index in open {
            let _ = self.terminate(index);
            let _ = self.close(index);
        }
    }

    fn look_for_workload(&mut self, point: Point) {
        let mut found = self.world.workload();
        match point {
            Point::Online => {
                // What is there only for a moment is no workload.
                self.recorder.pause(Duration::from_millis(80));
                let again = self.world.workload();
                found.retain(|pid| again.contains(pid));
                self.workload.clone_from(&found);
            }
            Point::AfterOffline | Point::AfterTerminate | Point::AfterClose => {
                // A process that has been killed needs a moment to be gone, and on a busy machine a longer one.
                for _ in 0..40 {
                    if found.is_empty() {
                        break;
                    }
                    self.recorder.pause(Duration::from_millis(25));
                    let again = self.world.workload();
                    found.retain(|pid| again.contains(pid));
                }
            }
        }
        let online = self.recorder.slots().iter().any(|slot| slot.online);
        if online && point != Point::Online {
            return;
        }
        self.say(What::Workload { point: point.name().to_owned(), pids: found.into_iter().collect() });
    }

    fn kill_workload(&mut self, index: u32) -> Carried {
        if self.workload.is_empty() {
            return Err(Stop("no process was found that could be killed".to_owned()));
        }
        let event = self.with(index, |slot| slot.event)?;
        usage::kill(&self.workload);
        self.say(What::Killed { pids: self.workload.iter().copied().collect() });
        if event != 0 {
            self.look_at_event(index, "after-kill", Duration::from_secs(5));
        }
        let until = Instant::now() + Duration::from_secs(5);
        let (mut looks, mut is) = (true, true);
        while (looks || is) && Instant::now() < until {
            looks = self.poll(index, true)?;
            is = self.poll(index, false)?;
            self.recorder.pause(Duration::from_millis(100));
        }
        let again: Vec<u32> = self.world.workload().into_iter().collect();
        self.say(What::Workload { point: "after-kill".to_owned(), pids: again });
        Ok(())
    }

    /// What an event handle looks like, if there is one.
    fn event_looks(&self, index: u32, limit: Duration) -> Option<&'static str> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let event = self.recorder.slots().get(index as usize).map_or(0, |slot| slot.event);
        if event == 0 {
            return None;
        }
        Some(match crate::fd::duplicate(event) {
            None => "invalid",
            Some(fd) => {
                let limit = Timespec::try_from(limit).unwrap_or(Timespec { tv_sec: 5, tv_nsec: 0 });
                let mut fds = [PollFd::new(&fd, PollFlags::IN)];
                if poll(&mut fds, Some(&limit)).is_ok_and(|count| count > 0) { "signalled" } else { "quiet" }
            }
        })
    }

    fn look_at_event(&self, index: u32, point: &str, limit: Duration) {
        if let Some(look) = self.event_looks(index, limit) {
            self.say(What::Event { instance: index, point: point.to_owned(), look: look.to_owned() });
        }
    }

    fn unload(&mut self) {
        // A worker that has just been told to end may still be on its way out.
        for _ in 0..40 {
            if usage::threads() <= 1 {
                break;
            }
            self.recorder.pause(Duration::from_millis(25));
        }
        let left = usage::threads().saturating_sub(1);
        let Some(library) = self.library.take() else {
            self.say(What::Skipped { text: "it is linked into stead".to_owned() });
            return;
        };
        if left > 0 {
            self.say(What::Note { text: format!("threads left before unloading: {left}") });
            std::mem::forget(library);
            return;
        }
        *lock(&self.recorder.dll) = None;
        self.dll = None;
        let call = self.called("dlclose", 0, "");
        let began = Instant::now();
        dll_main::detach(library);
        self.recorder.pause(Duration::from_millis(50));
        self.returned(call, 0, 0, began, 0);
    }

    /// The properties that were given, as a list on the wire.
    pub(super) fn given_list(&self) -> PropertyList {
        let formats = self.dll.as_deref().map(defaults::formats_of).cloned().unwrap_or_default();
        let list = defaults::list_of(&self.spec.properties.0, &formats);
        PropertyList(list.0.into_iter().filter(|property: &Property| !property.values.is_empty()).collect())
    }
}
