use super::*;

use std::io::Write as _;

fn typed(arguments: &[&str]) -> Vec<OsString> {
    ["tracker"].iter().chain(arguments).map(OsString::from).collect()
}

fn resolved(
    arguments: &[&str],
    variables: &[(&str, &str)],
    file: Option<&str>,
) -> Result<ArgMatches, SettingsError> {
    let mut arguments = typed(arguments);
    let mut kept = tempfile::NamedTempFile::new().unwrap();
    if let Some(text) = file {
        kept.write_all(text.as_bytes()).unwrap();
        arguments.push("--config".into());
        arguments.push(kept.path().into());
    }
    let variable = |name: &OsStr| {
        variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| OsString::from(value))
    };
    resolve(&Args::command(), arguments, &variable)
}

fn args(arguments: &[&str], variables: &[(&str, &str)], file: &str) -> Args {
    Args::from_arg_matches(&resolved(arguments, variables, Some(file)).unwrap()).unwrap()
}

fn refused(arguments: &[&str], variables: &[(&str, &str)], file: Option<&str>) -> String {
    resolved(arguments, variables, file).unwrap_err().to_string()
}

#[test]
fn a_flag_comes_before_the_environment_and_that_before_the_file() {
    let file = "listen = \"127.0.0.1:1\"\n";
    let variable = [("PIECEMEAL_LISTEN", "127.0.0.1:2")];
    let port = |arguments: &[&str], variables: &[(&str, &str)], file: &str| {
        args(arguments, variables, file).listen.port()
    };
    assert_eq!(port(&["--listen", "127.0.0.1:3"], &variable, file), 3);
    assert_eq!(port(&[], &variable, file), 2);
    assert_eq!(port(&[], &[("PIECEMEAL_LISTEN", "")], file), 1, "an empty variable says nothing");
    assert_eq!(port(&[], &[], file), 1);
    assert_eq!(port(&[], &[], ""), 8080);
}

#[test]
fn a_higher_place_can_switch_a_flag_off_and_replaces_lists_as_a_whole() {
    let file = "lan = true\nname = [\"a\", \"b\"]\nice-servers = [\"stun:a:1\", { urls = \"turn:b:2\", username = \"u\" }]\n";
    let set = args(&[], &[], file);
    assert!(set.lan);
    assert_eq!(set.names, ["a", "b"]);
    assert_eq!(set.ice_servers[1]["username"], "u");
    let other = args(&["--name", "c"], &[("PIECEMEAL_LAN", "no")], file);
    assert!(!other.lan);
    assert_eq!(other.names, ["c"]);
    assert_eq!(args(&[], &[("PIECEMEAL_NAME", "d,e")], file).names, ["d", "e"]);
}

#[test]
fn what_excludes_each_other_is_refused_in_one_place_and_hidden_by_a_higher() {
    let both = "no-tls = true\ncert = \"c\"\nkey = \"k\"\n";
    let error = refused(&[], &[], Some(both));
    assert!(error.contains("cannot be used with") && error.contains("--cert"), "{error}");
    let certificate = "cert = \"c\"\nkey = \"k\"\n";
    let off = args(&["--no-tls"], &[], certificate);
    assert!(off.no_tls && off.cert.is_none());
    assert!(
        args(&[], &[("PIECEMEAL_NO_TLS", "0")], certificate).cert.is_some(),
        "what is off excludes nothing"
    );
    assert!(
        args(&["--cert", "x"], &[], "key = \"k\"\n").key.is_some(),
        "what one place lacks another may have"
    );
    let error = refused(&[], &[], Some("cert = \"c\"\n"));
    assert!(error.contains("--key"), "{error}");
}

#[test]
fn what_is_wrong_in_a_file_is_named_with_line_key_and_expectation() {
    for (text, line, words) in [
        (
            "\nmax_connections = 3",
            2,
            &["unknown key `max_connections`", "did you mean `max-connections`?"][..],
        ),
        ("max-conections = 3", 1, &["unknown key `max-conections`", "did you mean `max-connections`?"]),
        ("nonsense = 3", 1, &["unknown key `nonsense`", "--print-config"]),
        ("config = 'x'", 1, &["unknown key `config`"]),
        ("[limits]\ninterval = 3", 1, &["unknown section [limits]"]),
        ("lan = 'yes'", 1, &["lan: expected true or false, found a string"]),
        ("# a\n# b\nlisten = true", 3, &["listen: expected ADDRESS (a string or a number), found a boolean"]),
        ("listen = 'here'", 1, &["listen: expected ADDRESS, found `here`: invalid socket address"]),
        ("listen = ['127.0.0.1:1']", 1, &["listen: expected ADDRESS", "found an array"]),
        ("interval = 'often'", 1, &["interval: expected SECONDS, found `often`: invalid digit"]),
        ("interval = 4", 1, &["interval: expected SECONDS, found `4`: 4 is not in 5..=3600"]),
        ("max-connections = -1", 1, &["max-connections: expected N, found `-1`"]),
        ("files = ''", 1, &["files: expected DIR, found ``"]),
        (
            "name = ['a',\n  true]",
            2,
            &["name: expected NAME (a string or a number, or an array of such), found a boolean"],
        ),
        ("lan = true\nlan = true", 2, &["not TOML: duplicate key"]),
        ("lan = true\n=", 2, &["not TOML"]),
    ] {
        let error = refused(&[], &[], Some(text));
        assert!(error.contains(&format!(":{line}: ")), "{text:?}: {error}");
        for words in words {
            assert!(error.contains(words), "{text:?}: {error}");
        }
    }
    let error = refused(&["--config", "/nowhere/at/all.toml"], &[], None);
    assert!(error.starts_with("--config /nowhere/at/all.toml: No such file"), "{error}");
}

#[test]
fn what_is_wrong_in_the_environment_is_named() {
    let error = refused(&[], &[("PIECEMEAL_INTERVAL", "often")], None);
    assert!(
        error.starts_with("environment variable PIECEMEAL_INTERVAL: expected SECONDS, found `often`"),
        "{error}"
    );
    let error = refused(&[], &[("PIECEMEAL_LAN", "perhaps")], None);
    assert!(error.contains("expected true or false"), "{error}");
    let error = refused(&[], &[("PIECEMEAL_CONFIG", "/nowhere.toml")], None);
    assert!(error.contains("/nowhere.toml: No such file"), "{error}");
}

#[test]
fn what_is_printed_is_read_as_what_it_was_printed_from() {
    let arguments = [
        "--lan",
        "--name",
        "a b",
        "--name",
        "it's \"c\"",
        "--ice-servers",
        r#"{"urls": ["turn:a:1"], "username": "\\"}"#,
        "--files",
        "/a/\\b\u{e4}",
        "--max-connections",
        "12",
        "--seed-upload-limit",
        "10M",
    ];
    let command = Args::command();
    for arguments in [&arguments[..], &[]] {
        let before = resolved(arguments, &[], None).unwrap();
        let text = print::file(&command, &before);
        let after = resolved(&[], &[], Some(&text)).unwrap();
        let args = |matches| Args { config: None, ..Args::from_arg_matches(matches).unwrap() };
        assert_eq!(format!("{:?}", args(&after)), format!("{:?}", args(&before)), "{text}");
        assert_eq!(print::file(&command, &after), text);
    }
}

/// All keys are in it, and what stands behind a # is good TOML and a good value, or says what is to be put there.
#[test]
fn what_is_printed_has_every_key_and_its_default() {
    let command = Args::command();
    let text = print::file(&command, &resolved(&[], &[], None).unwrap());
    for arg in command.get_arguments().filter(|arg| is_key(arg)) {
        let key = arg.get_long().unwrap();
        let start = format!("#{key} = ");
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with(&start)).collect();
        assert_eq!(lines.len(), 1, "{key}");
        let line = lines[0].trim_start_matches('#');
        assert!(line.parse::<toml::Table>().is_ok(), "{line}");
        if !arg.get_default_values().is_empty() || is_flag(arg) {
            assert!(resolved(&[], &[], Some(line)).is_ok(), "{line}");
        }
        assert!(arg.get_help().is_some(), "--{key} is not documented");
    }
}

/// Containers and services are configured by their environment.
#[test]
fn every_option_has_a_variable() {
    for arg in Args::command().get_arguments().filter(|arg| is_key(arg)) {
        let long = arg.get_long().unwrap();
        let name = arg.get_env().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let expected = format!("PIECEMEAL_{}", long.to_uppercase().replace('-', "_"));
        assert_eq!(name, expected, "give --{long} `env = \"{expected}\"`");
    }
}
