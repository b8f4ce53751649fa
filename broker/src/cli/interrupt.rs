//! Ctrl-C (and SIGTERM): the first one asks the tool to end in order, the second ends it at once.

use super::Done;
use super::mistake::Mistake;
use std::sync::atomic::{AtomicBool, Ordering};

static ASKED: AtomicBool = AtomicBool::new(false);

/// From now on Ctrl-C only asks. Tools that have nothing to tidy up do not call this and just end.
pub fn watch() -> Done<()> {
    let failed = |fault: std::io::Error| Mistake::new(format!("signals cannot be caught: {fault}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(failed)?;
    // Caught before this returns: whoever is asked to end a moment later is asked in order.
    let (mut interrupts, mut terms) = {
        use tokio::signal::unix::{SignalKind, signal};
        let _entered = runtime.enter();
        (signal(SignalKind::interrupt()).map_err(failed)?, signal(SignalKind::terminate()).map_err(failed)?)
    };
    let wait = move || {
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = interrupts.recv() => {}
                    _ = terms.recv() => {}
                }
                if ASKED.swap(true, Ordering::SeqCst) {
                    std::process::exit(EXIT_INTERRUPTED);
                }
            }
        });
    };
    std::thread::Builder::new().name("signals".into()).spawn(wait).map_err(failed)?;
    Ok(())
}

/// Has the first one come?
pub fn is_asked() -> bool {
    ASKED.load(Ordering::SeqCst)
}

/// What shells expect of a program that Ctrl-C ended.
const EXIT_INTERRUPTED: i32 = 130;
