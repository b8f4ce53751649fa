//! Settings from a file in the syntax of `server.properties`, the environment and the command line, each winning over the
//! one before.

use crate::flags::Serve;
use ottla_core::config::{Config, Notice, Setting, broker_key};
use std::path::Path;
use std::{env, fs};

/// Reads everything that was set for a broker. The error is a line for each mistake.
pub fn gather(flags: &Serve) -> Result<(Config, Vec<Notice>), Vec<String>> {
    let (mut settings, mut mistakes) = (Vec::new(), Vec::new());
    if flags.ephemeral {
        settings.extend(EPHEMERAL.map(|(key, value)| setting(key, value, "--ephemeral")));
    }
    if let Some(path) = &flags.properties {
        match fs::read_to_string(path) {
            // Some editors begin a file with a mark of its encoding.
            Ok(text) => match parse(path, text.strip_prefix('\u{feff}').unwrap_or(&text)) {
                Ok(mut file) => settings.append(&mut file),
                Err(mut bad) => mistakes.append(&mut bad),
            },
            Err(fault) => mistakes.push(format!("{}: {fault}", path.display())),
        }
    }
    if !flags.is_bare {
        settings.extend(from_environment(environment(&mut mistakes), |key| broker_key(key).is_some()));
    }
    if let Some(port) = &flags.port {
        // As text until here, so that a wrong one is told along with the mistakes of all sources.
        match port.parse::<u16>() {
            Ok(port) => settings.push(setting("listeners", &format!("PLAINTEXT://127.0.0.1:{port}"), "--port")),
            Err(_) => mistakes.push(format!("--port {port}: must be a whole number from 0 to 65535")),
        }
    }
    for text in &flags.set {
        match from_flag(text) {
            Ok(setting) => settings.push(setting),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    let unused = settings.iter().find(|setting| flags.ephemeral && ["log.dirs", "log.dir"].contains(&&*setting.key));
    let unused = unused.map(|Setting { key, origin, .. }| Notice {
        key: key.clone(),
        origin: origin.clone(),
        what: "has no effect beside --ephemeral, which keeps its data in a temporary directory",
    });
    match Config::read(settings) {
        Ok((config, mut notices)) if mistakes.is_empty() => {
            notices.extend(unused);
            Ok((config, notices))
        }
        Ok(_) => Err(mistakes),
        Err(bad) => {
            mistakes.extend(bad.iter().map(ToString::to_string));
            Err(mistakes)
        }
    }
}

fn setting(key: &str, value: &str, origin: &str) -> Setting {
    Setting { key: key.into(), value: value.into(), origin: origin.into() }
}

/// All settings of a properties file, in the order in which they stand; a key may come twice.
///
/// The syntax is Java's: `#` and `!` begin comments, a backslash at the end continues a line, `=`, `:` or blanks separate
/// key and value, `\t \n \r \f \uXXXX` are escapes and any other `\x` is `x`. The file is UTF-8.
pub fn parse(path: &Path, text: &str) -> Result<Vec<Setting>, Vec<String>> {
    let (mut settings, mut mistakes) = (Vec::new(), Vec::new());
    for (line, logical) in logical_lines(text) {
        let origin = format!("{}:{line}", path.display());
        let (key, value) = split(&logical);
        match (unescape(key), unescape(value)) {
            (Ok(key), Ok(value)) => settings.push(setting(&key, value.trim_end(), &origin)),
            (Err(text), _) | (_, Err(text)) => mistakes.push(format!("{origin}: {text}")),
        }
    }
    if mistakes.is_empty() { Ok(settings) } else { Err(mistakes) }
}

/// The lines that say something, continued ones joined, each with the number of its first line.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut logical: Vec<(usize, String)> = Vec::new();
    let mut is_continued = false;
    for (at, natural) in text.lines().enumerate() {
        let line = natural.trim_start_matches(BLANKS);
        if !is_continued {
            if line.is_empty() || line.starts_with(['#', '!']) {
                continue;
            }
            logical.push((at + 1, String::new()));
        }
        let backslashes = line.len() - line.trim_end_matches('\\').len();
        is_continued = backslashes % 2 == 1;
        let kept = if is_continued { &line[..line.len() - 1] } else { line };
        logical.last_mut().expect("a logical line has begun").1.push_str(kept);
    }
    logical
}

/// Key and value, both still escaped.
fn split(line: &str) -> (&str, &str) {
    let mut is_escaped = false;
    let mut end = line.len();
    for (at, letter) in line.char_indices() {
        if !is_escaped && (matches!(letter, '=' | ':') || BLANKS.contains(&letter)) {
            end = at;
            break;
        }
        is_escaped = letter == '\\' && !is_escaped;
    }
    let rest = line[end..].trim_start_matches(BLANKS);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (&line[..end], rest.trim_start_matches(BLANKS))
}

fn unescape(text: &str) -> Result<String, String> {
    let mut plain = String::with_capacity(text.len());
    let mut units: Vec<u16> = Vec::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        let escaped = if letter == '\\' { letters.next() } else { None };
        if escaped == Some('u') {
            let digits: String = letters.by_ref().take(4).collect();
            let unit = u16::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 4);
            units.push(unit.ok_or_else(|| format!("\\u{digits} is no character: four hexadecimal digits are"))?);
            continue;
        }
        flush(&mut units, &mut plain)?;
        plain.push(match escaped {
            Some('t') => '\t',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('f') => '\u{c}',
            Some(other) => other,
            None => letter,
        });
    }
    flush(&mut units, &mut plain)?;
    Ok(plain)
}

/// Escapes name UTF-16 units, of which a letter may take two.
fn flush(units: &mut Vec<u16>, plain: &mut String) -> Result<(), String> {
    let text = String::from_utf16(units).map_err(|_| "an escape names half a character".to_owned())?;
    plain.push_str(&text);
    units.clear();
    Ok(())
}

/// All variables that are text. One that is not is a mistake if it might be a setting, and none of our business otherwise.
fn environment(mistakes: &mut Vec<String>) -> impl Iterator<Item = (String, String)> {
    let mut variables = Vec::new();
    for (name, value) in env::vars_os() {
        match (name.into_string(), value.into_string()) {
            (Ok(name), Ok(value)) => variables.push((name, value)),
            (Ok(name), Err(_)) if name.starts_with("OTTLA_") || name.starts_with("KAFKA_") => {
                mistakes.push(format!("environment variable {name}: its value must be UTF-8"));
            }
            (Ok(_) | Err(_), _) => {}
        }
    }
    variables.into_iter()
}

/// Settings among environment variables. `OTTLA_LOG_DIRS` and, as Kafka's container image has it, `KAFKA_LOG_DIRS` stand
/// for `log.dirs`; two underscores for one, three for a dash. `KAFKA_…` variables that name no setting belong to Kafka's
/// scripts and are left alone; our own prefix wins, and one of ours that names no setting stands for an `ottla.` setting,
/// which does not exist.
pub fn from_environment(
    variables: impl Iterator<Item = (String, String)>,
    is_known: impl Fn(&str) -> bool,
) -> Vec<Setting> {
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for (name, value) in variables {
        let found = |key: &str| setting(key, value.trim(), &format!("environment variable {name}"));
        if let Some(rest) = name.strip_prefix("KAFKA_") {
            let key = dotted(rest);
            if is_known(&key) {
                theirs.push(found(&key));
            }
        } else if let Some(rest) = name.strip_prefix("OTTLA_") {
            if OTHER_VARIABLES.contains(&name.as_str()) {
                continue;
            }
            let (key, own) = (dotted(rest), dotted(&name));
            if is_known(&key) {
                ours.push(found(&key));
            } else if is_known(&own) || !is_of_kubernetes(rest, &value) {
                // A name that is nobody's is ours, and refused as it would be in a file.
                ours.push(found(&own));
            }
        }
    }
    theirs.append(&mut ours);
    theirs
}

/// Kubernetes gives every container of a namespace in which a service is called `ottla` or `ottla-…` variables that say
/// where it is.
fn is_of_kubernetes(rest: &str, value: &str) -> bool {
    let is_address = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    let is_of_port = rest.contains("PORT_") && ["_TCP", "_UDP", "_SCTP"].iter().any(|kind| rest.contains(kind));
    rest.contains("SERVICE_HOST") || rest.contains("SERVICE_PORT") || is_address || is_of_port
}

fn dotted(name: &str) -> String {
    name.to_lowercase().replace("___", "-").replace("__", "\0").replace('_', ".").replace('\0', "_")
}

/// The `KEY=VALUE` of a `--set`.
pub fn from_flag(text: &str) -> Result<Setting, String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok(setting(key.trim(), value.trim(), "--set")),
        Some(_) | None => Err(format!("--set {text}: expected KEY=VALUE")),
    }
}

/// What a broker for test suites is set to, unless somebody says otherwise: nothing survives it anyway, and nobody waits.
const EPHEMERAL: [(&str, &str); 3] =
    [("group.initial.rebalance.delay.ms", "0"), ("ottla.durability", "relaxed"), ("ottla.journal.bytes", "16777216")];
/// Blanks of the properties syntax.
const BLANKS: &[char] = &[' ', '\t', '\u{c}'];
/// Environment variables of ours that are no settings.
const OTHER_VARIABLES: &[&str] = &["OTTLA_BROKER"];

#[cfg(test)]
#[path = "settings_test.rs"]
mod settings_test;
