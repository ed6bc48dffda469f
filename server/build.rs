//! Takes the built page (`server/web/dist`, as `tests/web/build.sh` leaves it) into the program; without it, nothing.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(
        env::var_os("CARGO_MANIFEST_DIR").expect("BUG: cargo names the package's folder"),
    );
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("BUG: cargo names an output folder"));
    // The folder above: it is always there, and shows when `dist` comes or goes.
    println!("cargo::rerun-if-changed=web");

    let dist = root.join("web/dist");
    let mut files = Vec::new();
    for folder in ["pkg", "replica"] {
        collect(&dist.join(folder), folder, &mut files)?;
    }
    files.sort();
    let mut code = String::from("&[\n");
    for (name, path) in files {
        writeln!(code, "    ({name:?}, include_bytes!({path:?})),")
            .expect("BUG: a string takes all");
    }
    code.push_str("]\n");
    fs::write(out.join("web_files.rs"), code)
}

/// Regular files below a folder, by their names in URLs; what begins with a dot is the build's own.
fn collect(folder: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else {
            continue;
        };
        let url = format!("{prefix}/{name}");
        let kind = entry.file_type()?;
        if kind.is_dir() {
            collect(&entry.path(), &url, files)?;
        } else if kind.is_file() {
            files.push((url, entry.path()));
        }
    }
    Ok(())
}
