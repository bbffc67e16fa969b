//! Databases of other plugins: whether they are there, and open to be written.

use skep_types::DatabaseId;

use super::Plugins;
use crate::read::{Reading, closest, join};
use crate::sql::SqlAccess;

/// A plugin may only be given databases that another plugin declares, and no more of one than its owner has.
pub(crate) fn database_grants(plugins: &Plugins, reading: &Reading) {
    let ids = plugins.iter().flat_map(|(owner, plugin)| {
        plugin.sql.iter().map(|(name, config)| (DatabaseId { owner: owner.clone(), name: name.clone() }, config))
    });
    let declared: Vec<_> = ids.map(|(id, config)| (id.to_string(), config)).collect();
    for (name, plugin) in plugins {
        let table = join(&join(&join("plugins", name.as_str()), "grants"), "sql");
        for (id, access) in &plugin.grants.sql {
            let text = id.to_string();
            let report = |message: String| reading.report(&join(&table, &text), message);
            if id.owner == *name {
                report(format!("a plugin's own databases are open to it: `{}` without the plugin's name", id.name));
                continue;
            }
            match declared.iter().find(|(declared, _)| *declared == text) {
                Some((_, config)) if config.read_only && *access == SqlAccess::ReadWrite => {
                    report(format!("`{text}` is `read_only`: write \"read\", or let its owner write too"));
                }
                Some(_) => {}
                None => {
                    let hint = closest(&text, declared.iter().map(|(declared, _)| declared.as_str()));
                    let hint = hint.map_or_else(String::new, |near| format!(", did you mean `{near}`?"));
                    report(format!("plugin `{}` declares no database `{}`{hint}", id.owner, id.name));
                }
            }
        }
    }
}
