//! *@TYPE@*: a resource type. As it stands it keeps a program running; put your own work into `online`.

use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use stead_sdk::{Context, Failure, Level, Online, Operation, Problem, Properties, Property, Resource};

/// One instance of the type.
pub struct @PREFIX@ {
    context: Context,
    child: Mutex<Option<Child>>,
}

impl @PREFIX@ {
    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Resource for @PREFIX@ {
    const TYPE_NAME: &'static str = "@TYPE@";

    const PROPERTIES: &'static [Property] =
        &[Property::text("Program").required(), Property::list("Arguments")];

    fn open(context: &Context) -> Result<Self, Failure> {
        // Nothing is checked here that matters only online: the resource may be meant for another day.
        Ok(@PREFIX@ { context: context.clone(), child: Mutex::new(None) })
    }

    fn online(&self, operation: &Operation) -> Result<Online, Failure> {
        let properties = self.context.properties();
        let mut command = Command::new(properties.text("Program"));
        command.args(properties.list("Arguments")).stdin(Stdio::null());
        *self.child() = Some(command.spawn()?);
        // Something that takes longer shows progress while it does, and gives up when that is answered with false.
        if !operation.progress() {
            self.terminate();
        }
        Ok(Online::polled())
    }

    fn offline(&self, _: &Operation) -> Result<(), Failure> {
        // Ask before you kill, where your program has a way to be asked.
        self.terminate();
        Ok(())
    }

    fn terminate(&self) {
        // May come at any moment, also twice, also when nothing runs; nothing may be left when it returns.
        if let Some(mut child) = self.child().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn is_alive(&self) -> bool {
        match self.child().as_mut().map(Child::try_wait) {
            Some(Ok(None)) => true,
            Some(Ok(Some(status))) => {
                self.context.log(Level::Error, &format!("the program ended: {status}"));
                false
            }
            Some(Err(_)) | None => false,
        }
    }

    fn processes(&self) -> Vec<u32> {
        self.child().as_ref().map(Child::id).into_iter().collect()
    }

    fn validate(properties: &Properties) -> Vec<Problem> {
        let program = properties.text("Program");
        if program.starts_with('/') {
            return Vec::new();
        }
        vec![Problem::new("Program", format!("{program:?} must be an absolute path"))]
    }
}

stead_sdk::export!(@PREFIX@);

#[cfg(test)]
mod tests {
    use stead_sdk::testing::{Harness, State};

    use super::*;

    #[test]
    fn it_comes_online_and_leaves_nothing() {
        let harness = Harness::<@PREFIX@>::new("one").text("Program", "/bin/sleep");
        let resource = harness.list("Arguments", &["1000"]).open().unwrap();
        resource.online();
        assert!(resource.wait_settled() == State::Online && resource.is_alive());
        resource.offline();
        assert_eq!(resource.wait_settled(), State::Offline);
        assert!(!resource.is_alive());
    }
}
