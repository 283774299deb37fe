//! Files and folders, for a world that was granted them.
//!
//! Invariants
//! - L1 A handle of an earlier session, or of a closed file, is `Stale`.
//! - L2 Paths are UTF-8 texts; a name in a folder that is not is listed with replacement characters
//!   and cannot be opened by them.

use super::refusal;
use crate::sys;
use platform::operations::{Fields, FileOperation, Packed};
use platform::{Handle, Refusal, Reply, Request, Service, Slots};
use std::fs::{self, File, OpenOptions};
use std::io::Error;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::UNIX_EPOCH;

/// The largest piece that one `Read` answers, in bytes.
const READ_LIMIT: u32 = 64 << 20;
/// The offset that means "where the last one ended".
const GO_ON: u64 = u64::MAX;

struct Open {
    file: File,
    path: String,
    position: u64,
}

/// The service `file`.
pub struct FileService {
    files: Slots<Open>,
}

impl FileService {
    /// The service of one session.
    pub fn new(session: u64) -> FileService {
        FileService { files: Slots::new(session) }
    }

    fn close(&mut self, handle: Option<Handle>) -> Result<Reply, Refusal> {
        self.files.asked(handle)?;
        let _ = handle.and_then(|handle| self.files.remove(handle));
        Ok(Reply::default())
    }

    fn open(&mut self, path: &str, mode: u8) -> Result<Reply, Refusal> {
        let mut options = OpenOptions::new();
        options.read(true);
        match mode {
            0 => &mut options,
            1 => options.write(true).create(true),
            2 => options.write(true).create_new(true),
            3 => options.append(true).create(true),
            4 => options.write(true).create(true).truncate(true),
            other => return Err(Refusal::Malformed(format!("mode {other} is not 0 to 4"))),
        };
        let told = |error: Error| refusal(path, &error);
        let file = options.open(path).map_err(told)?;
        let data = file.metadata().map_err(told)?;
        if data.is_dir() {
            return Err(Refusal::Failed { code: "isFolder", message: format!("{path}: is a folder") });
        }
        let position = if mode == 3 { data.len() } else { 0 };
        let handle = self.files.insert(Open { file, path: path.to_owned(), position });
        Ok(Reply { handle: Some(handle), bytes: Vec::new() })
    }
}

impl Open {
    fn read(&mut self, offset: u64, count: u32) -> Result<Vec<u8>, Error> {
        let at = if offset == GO_ON { self.position } else { offset };
        let mut bytes = vec![0; count.min(READ_LIMIT) as usize];
        let mut done = 0;
        while done < bytes.len() {
            match self.file.read_at(&mut bytes[done..], at + done as u64) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(done);
        self.position = at + done as u64;
        Ok(bytes)
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<u64, Error> {
        let at = if offset == GO_ON { self.position } else { offset };
        self.file.write_all_at(bytes, at)?;
        self.position = at + bytes.len() as u64;
        Ok(bytes.len() as u64)
    }
}

fn kind(data: &fs::Metadata) -> u8 {
    match data.file_type() {
        kind if kind.is_file() => 1,
        kind if kind.is_dir() => 2,
        kind if kind.is_symlink() => 3,
        _ => 4,
    }
}

fn status(path: &str, follow: bool) -> Result<Vec<u8>, Error> {
    let data = if follow { fs::metadata(path)? } else { fs::symlink_metadata(path)? };
    let modified = data.mtime().saturating_mul(1_000_000_000).saturating_add(data.mtime_nsec());
    let created = data.created().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let created = created.map_or(modified, |time| time.as_nanos() as i64);
    Ok(Packed::default()
        .u8(kind(&data))
        .u64(data.len())
        .i64(modified)
        .i64(created)
        .u32(data.permissions().mode() & 0o7777)
        .finish())
}

fn list(path: &str) -> Result<Vec<u8>, Error> {
    let mut packed = Packed::default();
    for entry in fs::read_dir(path)? {
        packed = packed.text(&entry?.file_name().to_string_lossy());
    }
    Ok(packed.finish())
}

fn rename(from: &str, to: &str, replace: bool) -> Result<Vec<u8>, Error> {
    if !replace {
        return sys::rename_without_replacing(Path::new(from), Path::new(to)).map(|()| Vec::new());
    }
    fs::rename(from, to).map(|()| Vec::new())
}

fn place(which: u8) -> Result<String, Refusal> {
    let path = match which {
        0 => std::env::current_dir().map_err(|error| refusal("working folder", &error))?,
        1 => std::env::home_dir().ok_or_else(|| Refusal::Failed {
            code: "notFound",
            message: "HOME is not set".to_owned(),
        })?,
        2 => std::env::temp_dir(),
        3 => std::env::current_exe().map_err(|error| refusal("the program", &error))?,
        other => return Err(Refusal::Malformed(format!("place {other} is not 0 to 3"))),
    };
    Ok(path.to_string_lossy().into_owned())
}

fn environment(name: &str) -> Result<Vec<u8>, Refusal> {
    let unset = || Refusal::Failed { code: "notFound", message: format!("{name} is not set") };
    // Names with NUL or = would make the standard library panic.
    if name.is_empty() || name.contains(['\0', '=']) {
        return Err(unset());
    }
    let value = std::env::var_os(name).ok_or_else(unset)?;
    Ok(Packed::default().text(&value.to_string_lossy()).finish())
}

/// Operations on paths that answer bytes or the system's error.
fn by_path(operation: FileOperation, path: &str, fields: &mut Fields<'_>) -> Result<Vec<u8>, Refusal> {
    use FileOperation as Op;
    let nothing = |()| Vec::new();
    let text = |path: std::path::PathBuf| Packed::default().text(&path.to_string_lossy()).finish();
    let result = match operation {
        Op::Status => status(path, fields.u8()? != 0),
        Op::List => list(path),
        Op::DeleteFile => fs::remove_file(path).map(nothing),
        Op::DeleteFolder => fs::remove_dir(path).map(nothing),
        Op::MakeFolder => fs::create_dir(path).map(nothing),
        Op::Rename => {
            let to = fields.text()?;
            rename(path, to, fields.u8()? != 0)
        }
        Op::SetPermissions => {
            fs::set_permissions(path, fs::Permissions::from_mode(fields.u32()?)).map(nothing)
        }
        Op::RealPath => fs::canonicalize(path).map(text),
        Op::LinkTarget => fs::read_link(path).map(text),
        _ => return Err(Refusal::UnknownOperation),
    };
    result.map_err(|error| refusal(path, &error))
}

impl Service for FileService {
    fn name(&self) -> &'static str {
        "file"
    }

    fn call(&mut self, request: Request<'_>) -> Result<Reply, Refusal> {
        use FileOperation as Op;
        let operation = FileOperation::from_code(request.operation);
        let operation = operation.ok_or(Refusal::UnknownOperation)?;
        let mut fields = Fields::new(request.bytes);
        let bytes = match operation {
            Op::Open => {
                let path = fields.text()?;
                return self.open(path, fields.u8()?);
            }
            Op::Close => return self.close(request.handle),
            Op::Place => Packed::default().text(&place(fields.u8()?)?).finish(),
            Op::Environment => environment(fields.text()?)?,
            Op::EnvironmentNames => {
                let names = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
                Packed::default().texts(names).finish()
            }
            Op::Read | Op::Write | Op::Size | Op::Truncate | Op::Flush => {
                let open = self.files.asked(request.handle)?;
                by_handle(operation, open, &mut fields)?
            }
            _ => {
                let path = fields.text()?;
                by_path(operation, path, &mut fields)?
            }
        };
        Ok(Reply { handle: None, bytes })
    }
}

fn by_handle(
    operation: FileOperation,
    open: &mut Open,
    fields: &mut Fields<'_>,
) -> Result<Vec<u8>, Refusal> {
    use FileOperation as Op;
    let number = |number: u64| Packed::default().u64(number).finish();
    let result = match operation {
        Op::Read => {
            let offset = fields.u64()?;
            open.read(offset, fields.u32()?)
        }
        Op::Write => {
            let offset = fields.u64()?;
            open.write(offset, fields.bytes()).map(number)
        }
        Op::Size => open.file.metadata().map(|data| number(data.len())),
        Op::Truncate => open.file.set_len(fields.u64()?).map(|()| Vec::new()),
        Op::Flush => open.file.sync_all().map(|()| Vec::new()),
        _ => return Err(Refusal::UnknownOperation),
    };
    result.map_err(|error| refusal(&open.path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(service: &mut FileService, op: FileOperation, handle: Option<Handle>, bytes: Packed) -> Result<Reply, Refusal> {
        let bytes = bytes.finish();
        service.call(Request { operation: op as u32, handle, bytes: &bytes, semaphore: None })
    }

    fn code(result: Result<Reply, Refusal>) -> &'static str {
        match result {
            Err(Refusal::Failed { code, .. }) => code,
            other => panic!("{other:?}"),
        }
    }

    fn text(text: &str) -> Packed {
        Packed::default().text(text)
    }

    #[test]
    fn a_file_is_written_read_listed_renamed_and_deleted() {
        let folder = std::env::temp_dir().join(format!("warm-file-service-{}", std::process::id()));
        let folder = folder.to_string_lossy().into_owned();
        let mut files = FileService::new(7);
        call(&mut files, FileOperation::MakeFolder, None, text(&folder)).unwrap();
        assert_eq!(code(call(&mut files, FileOperation::MakeFolder, None, text(&folder))), "exists");
        let path = format!("{folder}/a b ü.txt");
        let opened = call(&mut files, FileOperation::Open, None, text(&path).u8(2)).unwrap();
        assert_eq!(code(call(&mut files, FileOperation::Open, None, text(&path).u8(2))), "exists");
        let mut wanted = Packed::default().u64(GO_ON).finish();
        wanted.extend_from_slice(b"hello");
        let request = Request { operation: 4, handle: opened.handle, bytes: &wanted, semaphore: None };
        assert_eq!(files.call(request).unwrap().bytes, 5u64.to_le_bytes());
        let back = call(&mut files, FileOperation::Read, opened.handle, Packed::default().u64(1).u32(99));
        assert_eq!(back.unwrap().bytes, b"ello");
        let end = call(&mut files, FileOperation::Read, opened.handle, Packed::default().u64(GO_ON).u32(9));
        assert_eq!(end.unwrap().bytes, b"");
        let other = format!("{folder}/b");
        std::fs::write(&other, "x").unwrap();
        let refused = call(&mut files, FileOperation::Rename, None, text(&path).text(&other).u8(0));
        assert_eq!(code(refused), "exists");
        assert_eq!(std::fs::read(&other).unwrap(), b"x");
        call(&mut files, FileOperation::Rename, None, text(&path).text(&other).u8(1)).unwrap();
        let listed = call(&mut files, FileOperation::List, None, text(&folder)).unwrap().bytes;
        assert_eq!(Fields::new(&listed).text().unwrap(), "b");
        assert_eq!(code(call(&mut files, FileOperation::DeleteFolder, None, text(&folder))), "notEmpty");
        call(&mut files, FileOperation::DeleteFile, None, text(&other)).unwrap();
        call(&mut files, FileOperation::DeleteFolder, None, text(&folder)).unwrap();
        assert_eq!(code(call(&mut files, FileOperation::Status, None, text(&folder).u8(1))), "notFound");
    }

    #[test]
    fn closed_and_earlier_handles_are_stale() {
        let mut files = FileService::new(7);
        let opened = call(&mut files, FileOperation::Open, None, text("/dev/null").u8(0)).unwrap();
        let handle = opened.handle.unwrap();
        let earlier = Handle { session: 6, ..handle };
        assert_eq!(call(&mut files, FileOperation::Size, Some(earlier), Packed::default()), Err(Refusal::Stale));
        call(&mut files, FileOperation::Close, Some(handle), Packed::default()).unwrap();
        assert_eq!(call(&mut files, FileOperation::Size, Some(handle), Packed::default()), Err(Refusal::Stale));
        let again = call(&mut files, FileOperation::Open, None, text("/dev/null").u8(0)).unwrap();
        assert_eq!(again.handle.unwrap().slot, handle.slot);
        assert_eq!(call(&mut files, FileOperation::Close, Some(handle), Packed::default()), Err(Refusal::Stale));
    }

    #[test]
    fn malformed_requests_are_told_apart() {
        let mut files = FileService::new(1);
        let cut = call(&mut files, FileOperation::List, None, Packed::default().u32(9));
        assert!(matches!(cut, Err(Refusal::Malformed(_))));
        let bytes = [2, 0, 0, 0, 0xff, 0xfe];
        let request = Request { operation: 9, handle: None, bytes: &bytes, semaphore: None };
        assert!(matches!(files.call(request), Err(Refusal::Malformed(_))));
        let request = Request { operation: 999, handle: None, bytes: &[], semaphore: None };
        assert_eq!(files.call(request), Err(Refusal::UnknownOperation));
        assert_eq!(code(call(&mut files, FileOperation::Environment, None, text("A=B"))), "notFound");
    }
}
