//! Which model the user wants to be asked, from a file of the user's outside every world.
//!
//! ```text
//! # ~/.config/warm/scribe
//! address = https://models.example/v1
//! model = some-model
//! key = secret
//! ```
//!
//! Invariants
//! - S1 A file with a key is read only if nobody but its owner can (N1).
//! - S2 A setting that is not understood is an error with its line, not ignored.

use crate::address::Address;
use std::fmt;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The largest file that is read, in bytes.
const MOST_BYTES: u64 = 64 * 1024;

/// What the file says.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// Whom to ask.
    pub address: Address,
    /// Which model there.
    pub model: String,
    key: Option<String>,
}

impl Settings {
    /// The key; it goes into the request's header and nowhere else.
    pub(crate) fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = if self.key.is_some() { "present" } else { "absent" };
        write!(f, "Settings {{ address: {}, model: {}, key: {key} }}", self.address, self.model)
    }
}

/// Where settings come from; read anew for each question, so that a change counts at once.
#[derive(Clone, Debug)]
pub struct SettingsSource {
    path: Option<PathBuf>,
}

impl SettingsSource {
    /// The file of that path.
    pub fn at(path: impl Into<PathBuf>) -> SettingsSource {
        SettingsSource { path: Some(path.into()) }
    }

    /// The user's own: `warm/scribe` in the folder of configurations.
    pub fn usual() -> SettingsSource {
        let folder = std::env::var_os("XDG_CONFIG_HOME").filter(|folder| Path::new(folder).is_absolute());
        let folder = folder.map(PathBuf::from).or_else(|| Some(std::env::home_dir()?.join(".config")));
        SettingsSource { path: folder.map(|folder| folder.join("warm/scribe")) }
    }

    /// The settings; `None` if there is no such file.
    pub fn read(&self) -> Result<Option<Settings>, String> {
        let Some(path) = &self.path else { return Ok(None) };
        let told = |error: std::io::Error| format!("{}: {error}", path.display());
        // What is looked at is what is read, whatever stands at the path by then.
        let mut file = match std::fs::File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other.map_err(told)?,
        };
        let data = file.metadata().map_err(told)?;
        if data.len() > MOST_BYTES {
            return Err(format!("{}: {} bytes are more than {MOST_BYTES}", path.display(), data.len()));
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(told)?;
        let settings = parse(&text).map_err(|why| format!("{}: {why}", path.display()))?;
        if settings.key.is_some() && data.mode() & 0o077 != 0 {
            let mode = data.mode() & 0o777;
            return Err(format!(
                "{}: others can read the key in it (mode {mode:o}); make it 600",
                path.display()
            ));
        }
        Ok(Some(settings))
    }
}

fn parse(text: &str) -> Result<Settings, String> {
    let (mut address, mut model, mut key) = (None, String::new(), None);
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let number = index + 1;
        let (name, value) = line.split_once('=').ok_or_else(|| format!("line {number} has no ="))?;
        let value = value.trim();
        match name.trim() {
            "address" => address = Some(Address::parse(value).map_err(|why| format!("line {number}: {why}"))?),
            "model" => model = value.to_owned(),
            "key" if value.bytes().all(|byte| byte.is_ascii_graphic()) => {
                key = (!value.is_empty()).then(|| value.to_owned());
            }
            // The value is not repeated (N1).
            "key" => return Err(format!("line {number}: a key is one word of plain characters")),
            other => return Err(format!("line {number}: no setting {other}; there are address, model, key")),
        }
    }
    let address = address.ok_or("it names no address")?;
    Ok(Settings { address, model, key })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn file(name: &str, text: &str, mode: u32) -> SettingsSource {
        let path = std::env::temp_dir().join(format!("warm-scribe-{name}-{}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        SettingsSource::at(path)
    }

    #[test]
    fn settings_are_read_and_the_key_is_not_told() {
        let source = file("good", "# mine\naddress = https://models.example/v1\nmodel= m \nkey =s3cret\n", 0o600);
        let settings = source.read().unwrap().unwrap();
        assert_eq!(settings.address.chat(), "https://models.example/v1/chat/completions");
        assert_eq!((settings.model.as_str(), settings.key()), ("m", Some("s3cret")));
        assert!(!format!("{settings:?}").contains("s3cret"));
    }

    #[test]
    fn a_key_that_others_can_read_is_not_used() {
        let source = file("open", "address = https://models.example/v1\nkey = s3cret\n", 0o640);
        let why = source.read().unwrap_err();
        assert!(why.ends_with("others can read the key in it (mode 640); make it 600"), "{why}");
        let source = file("keyless", "address = http://localhost:1/v1\n", 0o644);
        assert!(source.read().unwrap().is_some());
    }

    #[test]
    fn what_is_not_understood_is_told_with_its_line() {
        let check = |name: &str, text: &str, expect: &str| {
            let why = file(name, text, 0o600).read().unwrap_err();
            assert!(why.ends_with(expect), "{why}");
        };
        check("a", "address = http://models.example", "line 1: models.example is not this machine, so it must be asked by https://");
        check("b", "\nadress = http://localhost", "line 2: no setting adress; there are address, model, key");
        check("c", "key = s3cret\nfoo", "line 2 has no =");
        check("d", "key = two words", "line 1: a key is one word of plain characters");
        check("e", "model = m", "it names no address");
        let absent = std::env::temp_dir().join("warm-scribe-no-such-file");
        assert_eq!(SettingsSource::at(absent).read(), Ok(None));
    }
}
