//! Threads that are inside resource DLLs. One is made when none is idle: a call that never returns costs its thread
//! and nothing else.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// An idle thread ends after this long, if there is another.
const IDLE: Duration = Duration::from_secs(5);

/// What a thread does; it is given its number, which no other living thread has.
pub(crate) type Job = Box<dyn FnOnce(u32) + Send>;

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    idle: usize,
    numbers: Vec<bool>,
}

/// The threads.
#[derive(Clone, Default)]
pub(crate) struct Pool {
    shared: Arc<(Mutex<Queue>, Condvar)>,
}

impl Pool {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `job` now, on a thread of its own.
    pub(crate) fn run(&self, job: Job) {
        let mut queue = self.queue();
        queue.jobs.push_back(job);
        if queue.idle >= queue.jobs.len() {
            drop(queue);
            self.shared.1.notify_one();
            return;
        }
        let number = match queue.numbers.iter().position(|taken| !taken) {
            Some(free) => free,
            None => {
                queue.numbers.push(false);
                queue.numbers.len() - 1
            }
        };
        queue.numbers[number] = true;
        drop(queue);
        let pool = self.clone();
        let worker = thread::Builder::new().name(format!("call-{number}"));
        if worker.spawn(move || pool.work(number)).is_err() {
            // Out of threads: an existing one will take the job when it comes back.
            self.queue().numbers[number] = false;
        }
    }

    fn work(&self, number: usize) {
        let mut queue = self.queue();
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                drop(queue);
                job(number as u32);
                queue = self.queue();
                continue;
            }
            queue.idle += 1;
            // One stays: health checks come minutes apart, and a new thread for each would cost more than the check.
            if queue.idle == 1 {
                queue = self.shared.1.wait(queue).unwrap_or_else(PoisonError::into_inner);
                queue.idle -= 1;
                continue;
            }
            let (woken, waited) =
                self.shared.1.wait_timeout(queue, IDLE).unwrap_or_else(PoisonError::into_inner);
            queue = woken;
            queue.idle -= 1;
            if waited.timed_out() && queue.jobs.is_empty() {
                queue.numbers[number] = false;
                return;
            }
        }
    }
}
