//! Service files (PostgreSQL 15: fe-connect.c `parseServiceInfo`, `parseServiceFile`).

use std::path::{Path, PathBuf};

use super::environment::Environment;

/// The system's directory of Debian's packages (`pg_config --sysconfdir`).
const SYSTEM_DIR: &str = "/etc/postgresql-common";

/// What a service sets: keyword, value, and the place in words.
pub(super) type Settings = Vec<(String, String, String)>;

/// The settings of the service `name`.
///
/// # Errors
/// When there is no such service, or its file makes no sense; no value is repeated.
pub(super) fn settings(
    name: &str,
    given_file: Option<&str>,
    environment: &Environment,
) -> Result<Settings, String> {
    let given = given_file.map(PathBuf::from);
    let given = given.or_else(|| environment.raw("PGSERVICEFILE").map(PathBuf::from));
    let at_home = || Some(environment.home()?.join(".pg_service.conf"));
    let own = match &given {
        Some(_) => given.clone(),
        None => at_home().filter(|file| file.exists()),
    };
    let system = environment
        .raw("PGSYSCONFDIR")
        .map_or_else(|| PathBuf::from(SYSTEM_DIR), PathBuf::from);
    let system = Some(system.join("pg_service.conf")).filter(|file| file.exists());
    for file in own.iter().chain(&system) {
        if let Some(found) = in_file(file, name)? {
            return Ok(found);
        }
    }
    let looked: Vec<String> = own
        .iter()
        .chain(&system)
        .map(|f| f.display().to_string())
        .collect();
    Err(match &looked[..] {
        [] => format!(
            "service '{name}' is not defined: there is neither ~/.pg_service.conf nor a file that PGSERVICEFILE names"
        ),
        files => format!("service '{name}' is not defined in {}", files.join(" or ")),
    })
}

fn in_file(file: &Path, name: &str) -> Result<Option<Settings>, String> {
    let shown = file.display();
    let unreadable = |e| format!("service file {shown} cannot be read: {e}");
    let bytes = std::fs::read(file).map_err(unreadable)?;
    let text =
        String::from_utf8(bytes).map_err(|_| format!("service file {shown} is not UTF-8"))?;
    of_text(&text, &shown.to_string(), name)
}

fn of_text(text: &str, file: &str, name: &str) -> Result<Option<Settings>, String> {
    let mut found: Option<Settings> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(section) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            // What follows the bracket is passed over, as libpq does.
            if section
                .strip_prefix(name)
                .is_some_and(|after| after.starts_with(']'))
            {
                found = Some(Settings::new());
            }
            continue;
        }
        let Some(settings) = &mut found else { continue };
        let origin = format!("service file {file}, line {number},");
        let (keyword, value) = line
            .split_once('=')
            .ok_or_else(|| format!("{origin} is not keyword=value"))?;
        if keyword == "service" {
            return Err(format!("{origin} names another service"));
        }
        settings.push((keyword.to_owned(), value.to_owned(), origin));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(text: &str, name: &str) -> Result<Option<Vec<String>>, String> {
        let found = of_text(text, "f", name)?;
        Ok(found.map(|s| s.into_iter().map(|(k, v, _)| format!("{k}={v}")).collect()))
    }

    #[test]
    fn a_service_is_found_by_its_section() {
        let text = "# note\n[one]\nhost=a\n\n[two]\r\n  host=b\r\nport=5433\n#x\n[two]\nhost=c\n";
        assert_eq!(of(text, "two").unwrap().unwrap(), ["host=b", "port=5433"]);
        assert_eq!(of(text, "one").unwrap().unwrap(), ["host=a"]);
        assert_eq!(of(text, "tw").unwrap(), None);
        assert_eq!(of("host=a\n", "one").unwrap(), None);
    }

    #[test]
    fn what_makes_no_sense_is_named_by_its_line() {
        for text in ["[s]\n\nhunter2\n", "[s]\n#\nservice=t\n"] {
            let error = of(text, "s").unwrap_err();
            assert!(
                error.contains("f, line 3,") && !error.contains("hunter2"),
                "{error}"
            );
        }
    }

    #[test]
    fn files_are_looked_for_as_by_libpq() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).into_os_string();
        std::fs::write(at("own"), "[mine]\nhost=own\n").unwrap();
        std::fs::write(at(".pg_service.conf"), "[home]\nhost=home\n").unwrap();
        std::fs::write(at("pg_service.conf"), "[everybody]\nhost=system\n").unwrap();
        let environment: Environment = [("HOME", at("")), ("PGSYSCONFDIR", at(""))]
            .into_iter()
            .collect();
        assert_eq!(settings("home", None, &environment).unwrap()[0].1, "home");
        assert_eq!(
            settings("everybody", None, &environment).unwrap()[0].1,
            "system"
        );
        let error = settings("mine", None, &environment).unwrap_err();
        assert!(error.contains("'mine' is not defined in"), "{error}");
        let named: Environment = [("PGSERVICEFILE", at("own")), ("PGSYSCONFDIR", at(""))]
            .into_iter()
            .collect();
        assert_eq!(settings("mine", None, &named).unwrap()[0].1, "own");
        assert_eq!(settings("everybody", None, &named).unwrap()[0].1, "system");
        assert!(settings("home", None, &named).is_err());
        let missing: Environment = [("PGSERVICEFILE", at("none"))].into_iter().collect();
        assert!(
            settings("mine", None, &missing)
                .unwrap_err()
                .contains("cannot be read")
        );
    }

    proptest! {
        #[test]
        fn no_file_makes_it_panic(text in "(\\[s\\]|[a-z=# ]{0,9}|.{0,9}|\r?\n){0,12}") {
            let _ = of(&text, "s");
        }
    }
}
