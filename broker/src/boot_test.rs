use super::next_file;
use crate::mail::{Mail, Mailbox};
use ottla_core::boundary::FileDone;
use ottla_core::types::FileOpId;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use tokio::sync::oneshot;

fn ended() -> Mail {
    Mail::File(FileOpId(7), Ok(FileDone::Ok))
}

/// What is heard of in one look at the box.
fn look(mailbox: &Mailbox, mail: &mut Vec<Mail>) -> Poll<Option<FileOpId>> {
    let next = pin!(next_file(mail, mailbox));
    next.poll(&mut Context::from_waker(Waker::noop())).map(|file| file.map(|(id, _)| id))
}

#[test]
fn whoever_asks_while_logs_are_recovered_is_told_so_and_holds_nothing_up() {
    for is_counted in [false, true] {
        let (mailbox, mut mail) = (Mailbox::default(), Vec::new());
        let (ask, mut told) = oneshot::channel();
        mailbox.put(ended());
        mailbox.put(if is_counted { Mail::Count(ask) } else { Mail::Ask(ask) });
        assert_eq!(look(&mailbox, &mut mail), Poll::Ready(Some(FileOpId(7))));
        let facts = told.try_recv().expect("it is told");
        assert!(!facts.is_ready && facts.counts.is_none(), "{facts:?}");
        assert_eq!(look(&mailbox, &mut mail), Poll::Pending);
    }
}

#[test]
fn who_is_to_stop_while_logs_are_recovered_does() {
    let (mailbox, mut mail) = (Mailbox::default(), Vec::new());
    assert_eq!(look(&mailbox, &mut mail), Poll::Pending);
    mailbox.put(Mail::Stop);
    mailbox.put(ended());
    assert_eq!(look(&mailbox, &mut mail), Poll::Ready(Some(FileOpId(7))));
    assert_eq!(look(&mailbox, &mut mail), Poll::Ready(None));
}
