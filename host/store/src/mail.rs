//! Mail: messages to processes that are kept until a turn has handled them.

use bytes::Bytes;
use skep_types::PluginName;

use crate::Timestamp;
use crate::process::ProcessId;

/// A mail's number. They grow in the order of commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MailId(pub u64);

impl std::fmt::Display for MailId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Who gets a mail.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Receiver {
    /// This process. Its mail goes with it.
    Process(ProcessId),
    /// Whoever has this name of this plugin when the mail is read; it waits if nobody has.
    Name(PluginName, String),
}

impl Receiver {
    /// Whose process it is.
    #[must_use]
    pub const fn plugin(&self) -> &PluginName {
        match self {
            Self::Process(id) => &id.plugin,
            Self::Name(plugin, _) => plugin,
        }
    }
}

/// A message to a process. It counts against the quota of whoever sends it until it is handled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Who gets it. Whether there is such a process is not looked at.
    pub to: Receiver,
    /// What it says.
    pub data: Bytes,
    /// When it is due; none, or a time that has come: now.
    pub at: Option<Timestamp>,
}

/// A mail as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptMail {
    /// Its number.
    pub id: MailId,
    /// Who sent it.
    pub from: PluginName,
    /// Who gets it.
    pub to: Receiver,
    /// What it says.
    pub data: Bytes,
    /// When it is due, or when it was posted if it was due then.
    pub at: Timestamp,
}

/// Where a mail stands among others: by when it is due, then by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MailPlace {
    /// When it is due.
    pub at: Timestamp,
    /// Its number.
    pub id: MailId,
}

impl KeptMail {
    /// Where it stands.
    #[must_use]
    pub const fn place(&self) -> MailPlace {
        MailPlace { at: self.at, id: self.id }
    }
}

/// Some mail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailPage {
    /// In the order of their places.
    pub mail: Vec<KeptMail>,
    /// There are more behind the last one.
    pub more: bool,
}

/// Whoever has something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// A process whose timer is due, or whoever gets a mail that is due.
    pub to: Receiver,
    /// Since when.
    pub at: Timestamp,
    /// It is mail that is due, and not a timer.
    pub mail: bool,
}

/// How far a look at what is due has come. The first one begins from [`default`](Default::default).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DueCursor {
    /// The last timer: when it was due, and whose it is.
    pub timer: Option<(Timestamp, ProcessId)>,
    /// The last mail.
    pub mail: Option<MailPlace>,
}

/// What is due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DuePage {
    /// First those with timers, then those with mail, each in the order of their times. One who has several mails is in it once,
    /// and once more if it has a timer.
    pub due: Vec<Due>,
    /// Where the next look goes on: at what is left, or at what will be due by then.
    pub cursor: DueCursor,
    /// More is due already.
    pub more: bool,
    /// When something is due next that is not yet.
    pub next: Option<Timestamp>,
}
