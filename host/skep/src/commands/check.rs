//! `build` and `check`: what can be done without serving.

use anyhow::Context as _;
use skep_manifest::Manifest;
use skep_node::{build, databases};

use crate::cli::Dir;

/// Runs the build commands; a plugin whose programs are missing is skipped, a build that fails ends the command.
#[allow(clippy::print_stdout)] // The command's answer.
pub(crate) async fn build(args: &Dir) -> anyhow::Result<()> {
    let manifest = Manifest::load(&args.dir)?;
    for (name, plugin) in &manifest.plugins {
        if let Some(program) = build::missing_program(&plugin.needs) {
            println!("{name}: skipped: needs {program}");
        } else if let Some(command) = &plugin.build {
            build::run(name, command, &manifest.dir).await?;
            println!("{name}: built {}", plugin.source.display());
        } else {
            println!("{name}: nothing to build");
        }
    }
    Ok(())
}

/// Checks the manifest, its secrets, TLS files and migrations, and the shape of every component that is there.
#[allow(clippy::print_stdout)] // The command's answer.
pub(crate) fn check(args: &Dir) -> anyhow::Result<()> {
    let manifest = Manifest::load(&args.dir)?;
    skep_node::check_tls(&manifest)?;
    for (path, secret) in manifest.secrets() {
        secret.resolve().context(path)?;
    }
    let mut wrong = 0_usize;
    for (name, plugin) in &manifest.plugins {
        databases::check_migrations(plugin).with_context(|| format!("plugin `{name}`"))?;
        match std::fs::read(&plugin.source) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                println!("{name}: not built yet ({})", plugin.source.display());
            }
            Err(error) => {
                wrong += 1;
                println!("{name}: cannot read {}: {error}", plugin.source.display());
            }
            Ok(wasm) => match skep_runtime::inspect(&wasm) {
                Ok(shape) => match shape.http {
                    Some(handler) => println!("{name}: ok, {}", handler.export()),
                    None => {
                        wrong += 1;
                        println!("{name}: exports no HTTP handler (exports: {})", shape.exports.join(", "));
                    }
                },
                Err(error) => {
                    wrong += 1;
                    println!("{name}: {}: {error}", plugin.source.display());
                }
            },
        }
    }
    let all = plugins(manifest.plugins.len());
    anyhow::ensure!(wrong == 0, "{wrong} of {all} cannot be served");
    println!("{all}, nothing wrong");
    Ok(())
}

/// So many plugins, in words.
fn plugins(count: usize) -> String {
    format!("{count} plugin{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    #[test]
    fn one_plugin_is_not_plugins() {
        assert_eq!([0, 1, 2, 11].map(super::plugins), ["0 plugins", "1 plugin", "2 plugins", "11 plugins"]);
    }
}
