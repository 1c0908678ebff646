//! The variadic `LogEvent`. Stable Rust cannot define it, so a C shim formats and hands the text to a sink.

use std::sync::OnceLock;

use crate::{LOG_EVENT, RESOURCE_HANDLE};

/// Receives formatted lines: the handle and level as given, and at most 500 UTF-16 units of text. Called on the
/// thread that logs; it must not panic.
pub type LogSink = fn(RESOURCE_HANDLE, i32, &[u16]);

static SINK: OnceLock<LogSink> = OnceLock::new();

unsafe extern "C" {
    fn stead_log_event(handle: RESOURCE_HANDLE, level: i32, format: *const u16, ...);
}

/// Says where lines go. The first call in a process decides; later ones change nothing and return false.
pub fn set_log_sink(sink: LogSink) -> bool {
    SINK.set(sink).is_ok()
}

/// The `LogEvent` to hand to resource DLLs. Without a sink lines are dropped.
///
/// Formats are those of Windows' messages: `%1` to `%99`, with `!printf specification!` behind, `%%`, `%n` and so
/// on. Arguments are bounded; a null string prints as `(null)`.
///
/// Windows: resapi/nc-resapi-plog_event_routine
#[must_use]
pub fn log_event() -> LOG_EVENT {
    stead_log_event
}

/// Called by the shim with the finished text.
#[unsafe(no_mangle)]
extern "C" fn stead_log_event_sink(handle: RESOURCE_HANDLE, level: i32, text: *const u16, length: usize) {
    if let Some(sink) = SINK.get() {
        // SAFETY: the shim passes its own buffer with its length, which outlives this call.
        sink(handle, level, unsafe { std::slice::from_raw_parts(text, length) });
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;
    use std::ptr::{null, null_mut};
    use std::sync::Mutex;

    use super::*;
    use crate::to_wide;

    static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

    fn take() -> String {
        LINES.lock().unwrap().drain(..).next().unwrap_or_default()
    }

    macro_rules! logged {
        ($format:expr $(, $argument:expr)*) => {{
            let format = to_wide($format);
            // SAFETY: the format is terminated and the arguments are what it asks for.
            unsafe { log_event()(null_mut(), 1, format.as_ptr() $(, $argument)*) };
            take()
        }};
    }

    /// One test, since the sink belongs to the whole process.
    #[test]
    fn nc_resapi_plog_event_routine_formats() {
        assert!(set_log_sink(|_, _, text| LINES.lock().unwrap().push(String::from_utf16_lossy(text))));
        assert!(!set_log_sink(|_, _, _| ()));
        let (text, narrow) = (to_wide("wörld"), CString::new("narrow").unwrap());
        assert_eq!(logged!("plain"), "plain");
        assert_eq!(logged!("hello %1", text.as_ptr()), "hello wörld");
        assert_eq!(logged!("%1!ws! %2!u!", text.as_ptr(), 7u32), "wörld 7");
        assert_eq!(
            logged!("%1!ls!/%2!hs!/%3!S!", text.as_ptr(), narrow.as_ptr(), narrow.as_ptr()),
            "wörld/narrow/narrow"
        );
        assert_eq!(logged!("%2!u! before %1!d!", -3i32, 4u32), "4 before -3");
        assert_eq!(logged!("%1!u! twice %1!u!", 5u32), "5 twice 5");
        assert_eq!(logged!("%1!08x! %2!#X! %3!o!", 0xBEEFu32, 255u32, 8u32), "0000beef 0XFF 10");
        assert_eq!(logged!("%1!I64u! %2!lld!", u64::MAX, -1i64), "18446744073709551615 -1");
        assert_eq!(logged!("%1!c!%2!c!", 0x41u32, 0xE4u32), "Aä");
        assert_eq!(logged!("%1!-6u!| %2!5.3s!|", 42u32, text.as_ptr()), "42    |   wör|");
        assert_eq!(logged!("100%% done%n%!"), "100% done\n!");
        assert_eq!(logged!("%1", null::<u16>()), "(null)");
        assert_eq!(logged!("cut here%0 not this"), "cut here");
        assert_eq!(
            logged!("%1!n! %s %n%s", 1u32),
            "%1!n! %s \n%s",
            "what is not understood is printed as it stands"
        );
        assert_eq!(logged!("%"), "%");
        assert_eq!(logged!("%1!u", 1u32), "%1!u");
        assert_eq!(logged!("%1!99999u!", 1u32), "%1!99999u!");
        assert_eq!(logged!(&"x".repeat(4000)).len(), 500);
        let long = to_wide(&"y".repeat(40_000));
        assert_eq!(logged!("%1", long.as_ptr()).len(), 500);
        // SAFETY: a null format is allowed.
        unsafe { log_event()(null_mut(), 2, null()) };
        assert_eq!(take(), "(null)");
    }
}
