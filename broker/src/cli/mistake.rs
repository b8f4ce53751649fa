//! What went wrong, in one line, and what to do next.

use ottla_core::types::ErrorCode;
use std::fmt;
use std::io;

/// Why a tool could not do what it was asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mistake {
    cause: Cause,
    what: String,
    next: String,
    /// What else is wrong, a line each.
    others: Vec<String>,
}

/// Whose it is, as far as it changes what the tool does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Cause {
    /// The broker says so.
    Code(ErrorCode),
    /// The connection broke, or there was none; the request may have been carried out.
    Lost,
    /// Nobody reads what we print any more.
    Unread,
    /// Ctrl-C came while we waited.
    Interrupted,
    /// Anything else.
    Other,
}

impl Mistake {
    /// Something that no repetition mends.
    pub fn new(what: impl Into<String>) -> Self {
        Self::of(Cause::Other, what)
    }

    /// Several things that no repetition mends, at least one, to be told on a line each.
    pub fn all(mistakes: Vec<String>) -> Self {
        let mut mistakes = mistakes.into_iter();
        let first = Self::new(mistakes.next().unwrap_or_default());
        Self { others: mistakes.collect(), ..first }
    }

    /// What else is wrong, a line each.
    pub fn others(&self) -> &[String] {
        &self.others
    }

    /// The connection broke, or there was none.
    pub fn lost(what: impl Into<String>) -> Self {
        Self::of(Cause::Lost, what)
    }

    /// Ctrl-C came while we waited.
    pub fn interrupted() -> Self {
        Self::of(Cause::Interrupted, "interrupted")
    }

    /// The broker's answer is one to another question, or empty.
    pub fn odd(address: &str) -> Self {
        Self::new(format!("{address} answers something else than it was asked")).then("is it a Kafka broker?")
    }

    /// What we print cannot be written.
    pub fn output(fault: &io::Error) -> Self {
        let cause = if fault.kind() == io::ErrorKind::BrokenPipe { Cause::Unread } else { Cause::Other };
        Self::of(cause, format!("the output cannot be written: {fault}"))
    }

    /// The same with what to do next, behind whatever it says of that already.
    #[must_use]
    pub fn then(mut self, next: impl Into<String>) -> Self {
        if !self.next.is_empty() {
            self.next.push_str("; ");
        }
        self.next.push_str(&next.into());
        self
    }

    /// Could it go well if it is tried again?
    pub fn is_retriable(&self) -> bool {
        match self.cause {
            Cause::Code(code) => code.is_retriable(),
            Cause::Lost => true,
            Cause::Unread | Cause::Interrupted | Cause::Other => false,
        }
    }

    /// Is the connection of no more use?
    pub fn is_lost(&self) -> bool {
        self.cause == Cause::Lost
    }

    /// Does nobody read any more?
    pub fn is_unread(&self) -> bool {
        self.cause == Cause::Unread
    }

    /// Was it Ctrl-C?
    pub fn is_interrupted(&self) -> bool {
        self.cause == Cause::Interrupted
    }

    /// What the broker said, if it did.
    pub fn code(&self) -> Option<ErrorCode> {
        match self.cause {
            Cause::Code(code) => Some(code),
            Cause::Lost | Cause::Unread | Cause::Interrupted | Cause::Other => None,
        }
    }

    fn of(cause: Cause, what: impl Into<String>) -> Self {
        Self { cause, what: what.into(), next: String::new(), others: Vec::new() }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One line, whatever a broker's message holds.
        f.write_str(&self.what.replace(['\n', '\r'], " "))?;
        if self.next.is_empty() { Ok(()) } else { write!(f, "; {}", self.next) }
    }
}

/// An error code as a mistake about `what`, with what the broker says of it.
pub fn check(code: i16, message: Option<&str>, what: &str) -> Result<(), Mistake> {
    let Some(code) = ErrorCode::from_code(code) else {
        return Err(Mistake::new(format!("{what}: error {code}, which this tool does not know")));
    };
    if code == ErrorCode::None {
        return Ok(());
    }
    let told = message.filter(|message| !message.is_empty());
    let what = match told {
        Some(message) => format!("{what}: {} ({code:?})", message.trim_end_matches('.')),
        None => format!("{what}: {}", say(code)),
    };
    Err(Mistake { cause: Cause::Code(code), what, next: next(code).to_owned(), others: Vec::new() })
}

/// A code as a sentence.
fn say(code: ErrorCode) -> String {
    match code {
        ErrorCode::UnknownTopicOrPartition => "there is no such topic or partition".into(),
        ErrorCode::GroupIdNotFound => "there is no such group".into(),
        ErrorCode::NonEmptyGroup => "the group has members".into(),
        ErrorCode::TopicAlreadyExists => "the topic exists already".into(),
        ErrorCode::MessageTooLarge => "a record is larger than the topic takes".into(),
        ErrorCode::InvalidTopicException => "that is no name for a topic".into(),
        ErrorCode::LeaderNotAvailable => "it has no leader yet".into(),
        other => format!("{other:?}"),
    }
}

/// What helps.
fn next(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::UnknownTopicOrPartition => {
            "`ottla topic list` shows the topics, `ottla topic create NAME` makes one"
        }
        ErrorCode::TopicAlreadyExists => "`ottla topic describe NAME` shows it",
        ErrorCode::InvalidTopicException => "use up to 249 letters, digits, dots, dashes and underscores",
        ErrorCode::GroupIdNotFound => "`ottla group list` shows the groups",
        ErrorCode::NonEmptyGroup | ErrorCode::UnknownMemberId => {
            "stop its consumers first; `ottla group describe GROUP` shows them"
        }
        ErrorCode::MessageTooLarge => "`ottla topic alter NAME --set max.message.bytes=…` raises the limit",
        ErrorCode::InvalidReplicationFactor => "there cannot be more replicas than brokers",
        ErrorCode::InconsistentGroupProtocol => "its members assign in another way than `range`; use another --group",
        ErrorCode::GroupSubscribedToTopic => "stop the consumers of that topic first",
        ErrorCode::UnsupportedCompressionType => "use another --compression",
        ErrorCode::TopicAuthorizationFailed
        | ErrorCode::GroupAuthorizationFailed
        | ErrorCode::ClusterAuthorizationFailed => "this tool has no credentials; use a listener that needs none",
        ErrorCode::KafkaStorageError => "the broker's log says what is wrong with its disk",
        code if code.is_retriable() => "try again",
        _ => "",
    }
}

#[cfg(test)]
#[path = "mistake_test.rs"]
mod mistake_test;
