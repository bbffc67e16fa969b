//! `new`: a plugin to start from.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use skep_types::PluginName;

use crate::cli::New;

/// The template's files, by their path in the new folder.
const FILES: [(&str, &str); 5] = [
    ("Cargo.toml", include_str!("../../template/Cargo.toml.in")),
    ("src/lib.rs", include_str!("../../template/src/lib.rs.in")),
    ("skep.toml", include_str!("../../template/skep.toml.in")),
    ("README.md", include_str!("../../template/README.md.in")),
    (".gitignore", include_str!("../../template/gitignore.in")),
];

#[allow(clippy::print_stdout)] // The command's answer.
pub(crate) fn run(args: &New) -> anyhow::Result<()> {
    let path = &args.path;
    let name = path.file_name().and_then(|name| name.to_str()).context("the new folder needs a name")?;
    PluginName::new(name)?;
    anyhow::ensure!(!path.exists(), "{} is there already: choose another name", path.display());
    let sdk = sdk(args.sdk.as_deref())?;
    for (file, text) in FILES {
        let file = path.join(file);
        let writing = || format!("writing {}", file.display());
        fs::create_dir_all(file.parent().unwrap_or(path)).with_context(writing)?;
        let text = text.replace("{{name}}", name).replace("{{sdk}}", &sdk);
        fs::write(&file, text).with_context(writing)?;
    }
    println!("made {0}: next, `skep up {0}` and open http://127.0.0.1:8080/hello/you", path.display());
    Ok(())
}

/// The dependency's value in Cargo.toml: a version, or the path of a checkout.
fn sdk(given: Option<&str>) -> anyhow::Result<String> {
    match given {
        None => Ok(format!("\"{}\"", env!("CARGO_PKG_VERSION"))),
        Some(path) if Path::new(path).is_dir() => {
            let path = fs::canonicalize(path).with_context(|| format!("finding {path}"))?;
            Ok(format!("{{ path = {:?} }}", path.display().to_string()))
        }
        // A path that leads nowhere would be found out only by the first build.
        Some(version) => {
            let is_version = version.starts_with(|c: char| c.is_ascii_digit() || "^~=<>*".contains(c));
            anyhow::ensure!(is_version, "there is no folder {version}, and it is no version such as \"0.1.0\" either");
            Ok(format!("{version:?}"))
        }
    }
}
