//! The device as a file system with one file in it.
//!
//! The file is always there (empty at first), may grow and shrink, and is opened for direct I/O, so
//! that every write of the program reaches the device before it returns.

use crate::Device;
use fuser::{
    BackgroundSession, BsdFileFlags, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags,
    Generation, INodeNo, LockOwner, MountOption, OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyEmpty,
    ReplyEntry, ReplyOpen, ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use platform::{Store, StoreError, StoreErrorKind};
use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The name of the file.
pub const FILE_NAME: &str = "world";
const FILE: INodeNo = INodeNo(2);

/// Mounts the device; the mount ends when the answer is dropped.
pub fn mount(device: Device, at: &Path) -> io::Result<BackgroundSession> {
    let mut config = Config::default();
    config.mount_options = vec![MountOption::FSName("blockserver".into()), MountOption::NoAtime];
    fuser::spawn_mount(OneFile { device }, at, &config)
}

struct OneFile {
    device: Device,
}

fn errno(error: &StoreError) -> Errno {
    match error.kind {
        StoreErrorKind::Full => Errno::ENOSPC,
        StoreErrorKind::ReadOnly => Errno::EROFS,
        StoreErrorKind::OutOfRange => Errno::EINVAL,
        StoreErrorKind::Io | StoreErrorKind::Gone | StoreErrorKind::Locked => Errno::EIO,
    }
}

impl OneFile {
    fn attributes(&self, inode: INodeNo) -> Result<FileAttr, Errno> {
        let (kind, size, perm) = match inode {
            INodeNo::ROOT => (FileType::Directory, 0, 0o755),
            FILE => (FileType::RegularFile, self.device.store().len().unwrap_or(0), 0o644),
            _ => return Err(Errno::ENOENT),
        };
        Ok(FileAttr {
            ino: inode,
            size,
            blocks: size.div_ceil(512),
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind,
            perm,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        })
    }

    fn resize(&self, bytes: u64) -> Result<(), StoreError> {
        let store = self.device.store();
        store.grow(bytes)?;
        store.truncate(bytes)
    }
}

impl Filesystem for OneFile {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match self.attributes(FILE) {
            Ok(attributes) if parent == INodeNo::ROOT && name == FILE_NAME => {
                reply.entry(&Duration::ZERO, &attributes, Generation(0));
            }
            _ => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.attributes(inode) {
            Ok(attributes) => reply.attr(&Duration::ZERO, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        inode: INodeNo,
        _mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        size: Option<u64>,
        _atime: Option<TimeOrNow>,
        _mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _handle: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        if let (FILE, Some(bytes)) = (inode, size)
            && let Err(error) = self.resize(bytes)
        {
            return reply.error(errno(&error));
        }
        match self.attributes(inode) {
            Ok(attributes) => reply.attr(&Duration::ZERO, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn open(&self, _: &Request, inode: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        match inode {
            FILE => reply.opened(FileHandle(1), FopenFlags::FOPEN_DIRECT_IO),
            _ => reply.error(Errno::EISDIR),
        }
    }

    fn read(
        &self,
        _: &Request,
        _inode: INodeNo,
        _handle: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.device.read_some(offset, size as usize) {
            Ok(bytes) => reply.data(&bytes),
            Err(error) => reply.error(errno(&error)),
        }
    }

    fn write(
        &self,
        _: &Request,
        _inode: INodeNo,
        _handle: FileHandle,
        offset: u64,
        data: &[u8],
        _write_flags: WriteFlags,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.device.write_growing(offset, data) {
            Ok(()) => reply.written(data.len() as u32),
            Err(error) => reply.error(errno(&error)),
        }
    }

    /// Called at each `close`: it promises nothing, and so it does nothing.
    fn flush(&self, _: &Request, _inode: INodeNo, _handle: FileHandle, _owner: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _: &Request, _inode: INodeNo, _handle: FileHandle, _datasync: bool, reply: ReplyEmpty) {
        match self.device.store().flush() {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(errno(&error)),
        }
    }

    fn readdir(&self, _: &Request, inode: INodeNo, _handle: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        if inode != INodeNo::ROOT {
            return reply.error(Errno::ENOTDIR);
        }
        let names = [(INodeNo::ROOT, "."), (INodeNo::ROOT, ".."), (FILE, FILE_NAME)];
        for (nth, (inode, name)) in names.into_iter().enumerate().skip(offset as usize) {
            let kind = if inode == FILE { FileType::RegularFile } else { FileType::Directory };
            if reply.add(inode, nth as u64 + 1, kind, name) {
                break;
            }
        }
        reply.ok();
    }
}
