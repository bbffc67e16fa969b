//! `[plugins.NAME.grants]`: what a plugin may reach. What is not granted is denied.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ipnet::IpNet;
use skep_types::{BucketId, DatabaseId, PluginName, TopicSelector};

use crate::caches::{self, CacheAccess};
use crate::channels::mount::{Granted, MountSelector};
use crate::keys::KeySelector;
use crate::origin::Origin;
use crate::processes::access::{self, ProcessAccess, ProcessSelector};
use crate::read::{Item, Read, Section, join};
use crate::sql::{self, SqlAccess};
use crate::store::{self, StoreAccess};
use crate::topics::{self, TopicAccess};

/// The capabilities of a plugin; by default it has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// Origins that it may send requests to.
    pub http: Vec<Origin>,
    /// Private networks that the hosts of `http` may resolve to. Without them such an address is refused, so that a name
    /// that somebody else controls cannot point into the operator's network.
    pub http_private: Vec<IpNet>,
    /// Plugins that it may call at `http://NAME.skep.internal/`, without the network. All are in the manifest.
    pub plugins: Vec<PluginName>,
    /// Folders that it sees.
    pub files: Vec<FileGrant>,
    /// Buckets of other plugins, and what it may do with them. All are in the manifest.
    pub caches: BTreeMap<BucketId, CacheAccess>,
    /// Topics of other plugins, and what it may do with them; where several match, all that they allow. The plugins are
    /// in the manifest.
    pub topics: BTreeMap<TopicSelector, TopicAccess>,
    /// Keys in the stores of other plugins, and what it may do with them; where several match, all that they allow. The
    /// plugins are in the manifest.
    pub store: BTreeMap<KeySelector, StoreAccess>,
    /// Databases of other plugins, and what it may do with them. All are in the manifest.
    pub sql: BTreeMap<DatabaseId, SqlAccess>,
    /// Processes of other plugins, and what it may do with them; where several match, all that they allow. The plugins are
    /// in the manifest.
    pub processes: BTreeMap<ProcessSelector, ProcessAccess>,
    /// Sockets of other plugins on which its own channels may be joined: it hears their clients, and learns what the other plugin
    /// has said of them. All are in the manifest.
    pub sockets: Vec<MountSelector>,
}

/// A folder of the host that a guest sees.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FileGrant {
    /// The folder on the host.
    pub host: PathBuf,
    /// Where the guest sees it: an absolute path without a slash at its end.
    pub guest: String,
    /// Whether the guest may change it. Default false.
    pub write: bool,
}

impl Grants {
    /// Reads the table. Gives its keys too, for suggestions a level higher.
    pub(crate) fn read(mut table: Section<'_>) -> (Self, Vec<&'static str>) {
        let mut grants = Self::default();
        table.set("http", &mut grants.http);
        table.set("http_private", &mut grants.http_private);
        table.set("plugins", &mut grants.plugins);
        table.set("files", &mut grants.files);
        if let Some(buckets) = table.item("caches") {
            grants.caches = caches::read_grants(&buckets).unwrap_or_default();
        }
        if let Some(topics) = table.item("topics") {
            grants.topics = topics::read_grants(&topics).unwrap_or_default();
        }
        if let Some(keys) = table.item("store") {
            grants.store = store::read_grants(&keys).unwrap_or_default();
        }
        if let Some(databases) = table.item("sql") {
            grants.sql = sql::read_grants(&databases).unwrap_or_default();
        }
        if let Some(processes) = table.item("processes") {
            grants.processes = access::read_grants(&processes).unwrap_or_default();
        }
        if let Some(sockets) = table.get::<Vec<Granted>>("sockets") {
            grants.sockets = sockets.into_iter().map(|Granted(socket)| socket).collect();
        }
        for (at, file) in grants.files.iter().enumerate() {
            if grants.files.iter().take(at).any(|other| other.guest == file.guest) {
                let path = format!("{}[{at}].guest", join(&table.path, "files"));
                table.reading.report(&path, format!("`{}` is granted twice", file.guest));
            }
        }
        (grants, table.finish())
    }
}

impl Read for FileGrant {
    fn read(item: &Item<'_>) -> Option<Self> {
        let mut table = item.section()?;
        let host = table.require("host", "missing; write the folder to grant");
        let guest = table.require("guest", "missing; write where the guest sees the folder, such as \"/public\"");
        let mut write = false;
        table.set("write", &mut write);
        table.finish();
        let GuestPath(guest) = guest?;
        Some(Self { host: host?, guest, write })
    }
}

/// An absolute path inside a guest, without `.` and `..`.
struct GuestPath(String);

impl Read for GuestPath {
    fn read(item: &Item<'_>) -> Option<Self> {
        let text = String::read(item)?;
        let trimmed = if text == "/" { &text } else { text.trim_end_matches('/') };
        let Some(below) = trimmed.strip_prefix('/') else { return item.fail("must be absolute, such as \"/public\"") };
        if !below.is_empty() && below.split('/').any(|part| ["", ".", ".."].contains(&part)) {
            return item.fail("cannot have empty parts, `.` or `..`");
        }
        Some(Self(trimmed.to_owned()))
    }
}
