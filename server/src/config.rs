//! The configuration file: `--config FILE` gives options their values in TOML, below environment and flags, above the defaults.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, Command};

/// The option that names the file.
pub const CONFIG_OPTION: &str = "config";

/// Parses a command line; when its subcommand takes `--config` and a file is given, the file's keys (named like the flags,
/// without the dashes in front) stand in for what neither a flag nor the environment sets.
///
/// # Errors
/// As clap's own, and when the file cannot be read, is not TOML, or names an option that the subcommand does not have.
pub fn parse(command: Command, arguments: Vec<OsString>) -> Result<ArgMatches, clap::Error> {
    let matches = command.clone().try_get_matches_from(&arguments)?;
    let Some((name, given)) = matches.subcommand() else {
        return Ok(matches);
    };
    let Ok(Some(path)) = given.try_get_one::<PathBuf>(CONFIG_OPTION) else {
        return Ok(matches);
    };
    let mut built = command.clone();
    built.build();
    let options = built
        .find_subcommand(name)
        .expect("BUG: clap matched a subcommand that it does not have");
    let added = arguments_from_file(options, given, path).map_err(|fault| {
        let message = format!("{}: {fault}\n", path.display());
        clap::Error::raw(ErrorKind::InvalidValue, message).with_cmd(options)
    })?;
    command.try_get_matches_from(arguments.into_iter().chain(added))
}

fn arguments_from_file(
    options: &Command,
    given: &ArgMatches,
    path: &Path,
) -> Result<Vec<OsString>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let table: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| error.to_string())?;
    let mut added = Vec::new();
    for (key, value) in &table {
        let option = options
            .get_arguments()
            .find(|option| option.get_long() == Some(key) && key != CONFIG_OPTION);
        let option = option.ok_or_else(|| format!("there is no option {key}"))?;
        let set = given.value_source(option.get_id().as_str());
        if matches!(
            set,
            Some(ValueSource::CommandLine | ValueSource::EnvVariable)
        ) {
            continue;
        }
        let is_flag = matches!(option.get_action(), ArgAction::SetTrue);
        match value {
            toml::Value::Boolean(on) if is_flag => added.extend(on.then(|| format!("--{key}"))),
            toml::Value::String(text) if !is_flag => added.push(format!("--{key}={text}")),
            toml::Value::Integer(number) if !is_flag => added.push(format!("--{key}={number}")),
            _ => return Err(format!("{key} has the wrong type")),
        }
    }
    Ok(added.into_iter().map(OsString::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::serve::ServeArgs;
    use clap::{Args, FromArgMatches};
    use std::io::Write;

    fn serve(file: &str, flags: &[&str]) -> Result<ServeArgs, String> {
        let mut config = tempfile::NamedTempFile::new().unwrap();
        config.write_all(file.as_bytes()).unwrap();
        let command =
            Command::new("gridwork").subcommand(ServeArgs::augment_args(Command::new("serve")));
        let mut arguments: Vec<OsString> = vec![
            "gridwork".into(),
            "serve".into(),
            "--config".into(),
            config.path().into(),
        ];
        arguments.extend(flags.iter().map(OsString::from));
        let matches = parse(command, arguments).map_err(|error| error.to_string())?;
        ServeArgs::from_arg_matches(matches.subcommand().unwrap().1)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_stands_above_defaults_and_below_flags() {
        let file = "listen = \"127.0.0.1:9000\"\nconnections-max = 7 # few\ndrain-s = 3\n";
        let args = serve(file, &["--connections-max", "9"]).unwrap();
        assert_eq!(args.listen.port(), 9000, "from the file");
        assert_eq!(args.limits().connections_max, 9, "the flag wins");
        assert_eq!(args.limits().drain_timeout.as_secs(), 3, "from the file");
        assert_eq!(args.data, PathBuf::from("data"), "the default stays");
    }

    #[test]
    fn a_wrong_file_says_what_is_wrong() {
        for (file, hint) in [
            ("listne = 1", "there is no option listne"),
            ("config = \"x\"", "there is no option config"),
            ("listen = [1]", "listen has the wrong type"),
            ("listen = \"nowhere\"", "nowhere"),
            ("= 3", "TOML parse error"),
        ] {
            let error = serve(file, &[]).unwrap_err();
            assert!(error.contains(hint), "{file}: {error}");
        }
    }
}
