//! Every secret that a manifest names: for a look at them before they are needed.

use crate::manifest::Manifest;
use crate::read::join;
use crate::second_tier::SecondTierUrl;
use crate::secret::SecretRef;
use crate::sql::{PostgresConfig, PostgresUrl, SqlPlace};

impl Manifest {
    /// Where its secrets are, each with the path of its key, such as `plugins.shop.secrets.STRIPE_KEY`.
    #[must_use]
    pub fn secrets(&self) -> Vec<(String, &SecretRef)> {
        let mut all = Vec::new();
        all.extend(self.host.admin_token.iter().map(|token| ("host.admin_token".to_owned(), token)));
        if let Some(postgres) = &self.host.store.postgres {
            of_postgres(&postgres.server, "host.store", &mut all);
        }
        for (name, plugin) in &self.plugins {
            let path = join("plugins", name.as_str());
            let below = |table: &str, key: &str| join(&join(&path, table), key);
            all.extend(plugin.secrets.iter().map(|(key, secret)| (below("secrets", key), secret)));
            for (bucket, tier) in plugin.caches.iter().filter_map(|(bucket, cache)| Some((bucket, cache.l2.as_ref()?)))
            {
                let path = join(&below("caches", bucket.as_str()), "l2");
                if let SecondTierUrl::Secret(url) = &tier.url {
                    all.push((join(&path, "url"), url));
                }
                all.extend(tier.password.iter().map(|password| (join(&path, "password"), password)));
            }
            for (database, config) in &plugin.sql {
                if let SqlPlace::Postgres(server) = &config.place {
                    of_postgres(server, &below("sql", database.as_str()), &mut all);
                }
            }
        }
        all
    }
}

fn of_postgres<'a>(server: &'a PostgresConfig, path: &str, all: &mut Vec<(String, &'a SecretRef)>) {
    if let PostgresUrl::Secret(url) = &server.url {
        all.push((join(path, "url"), url));
    }
    all.extend(server.password.iter().map(|password| (join(path, "password"), password)));
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn all_secrets_are_found_wherever_they_are() {
        let text = r#"
            [host]
            admin_token = { env = "TOKEN" }
            store = { url = "postgres://skep@db/skep", password = { file = "store" } }
            [plugins.shop]
            source = "shop.wasm"
            secrets = { STRIPE_KEY = { env = "STRIPE_KEY" } }
            [plugins.shop.caches.pages]
            l2 = { url = { env = "REDIS_URL" }, password = { env = "REDIS_PASSWORD" } }
            [plugins.shop.sql.main]
            url = { env = "MAIN_URL" }
            [plugins.shop.sql.file]
        "#;
        let manifest = Manifest::parse(text, Path::new("/srv")).unwrap();
        let found: Vec<_> = manifest.secrets().into_iter().map(|(path, _)| path).collect();
        let expected = [
            "host.admin_token",
            "host.store.password",
            "plugins.shop.secrets.STRIPE_KEY",
            "plugins.shop.caches.pages.l2.url",
            "plugins.shop.caches.pages.l2.password",
            "plugins.shop.sql.main.url",
        ];
        assert_eq!(found, expected);
        assert_eq!(manifest.secrets()[1].1, &SecretRef::File(Path::new("/srv/store").to_owned()));
        assert!(Manifest::parse("", Path::new("/srv")).unwrap().secrets().is_empty());
    }
}
