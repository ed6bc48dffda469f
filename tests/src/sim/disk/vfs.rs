//! The simulated disk as SQLite sees it: `sqlite-plugin`'s trait over the calls of a node. Translates, decides nothing.

use super::content::Content;
use super::faults::Call;
use super::locks::Region;
use super::state::{Opened, Refusal};
use super::{Machine, Nodes};
use sqlite_plugin::flags::{AccessFlags, CreateMode, LockLevel, OpenMode, OpenOpts, ShmLockMode};
use sqlite_plugin::vars;
use sqlite_plugin::vfs::{SqliteErr, Vfs, VfsHandle, VfsResult};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

/// What SQLite is handed.
pub struct DiskVfs {
    nodes: Arc<Nodes>,
}

impl DiskVfs {
    /// Over these machines.
    pub(super) fn new(nodes: Arc<Nodes>) -> Self {
        Self { nodes }
    }
}

/// An open file.
pub struct Handle {
    place: Place,
    readonly: bool,
}

enum Place {
    /// A file without a name, of its connection alone.
    Temporary(Content),
    OnNode(NodeFile),
}

struct NodeFile {
    machine: Arc<Machine>,
    opened: Opened,
    /// The name to delete when it is closed.
    delete_on_close: Option<String>,
    /// Shared memory whose address SQLite has. Kept here, since SQLite reads there even after the node has crashed.
    regions: Vec<Region>,
}

impl Drop for NodeFile {
    fn drop(&mut self) {
        let mut state = self.machine.lock();
        // A handle of before a crash must not delete the file that is there now.
        let is_alive = state.slot(&self.opened).is_ok();
        state.close(&self.opened);
        if let Some(name) = self.delete_on_close.take()
            && is_alive
        {
            // Nobody hears of a failure while closing.
            let _ = state.delete(&name);
        }
    }
}

impl VfsHandle for Handle {
    fn readonly(&self) -> bool {
        self.readonly
    }

    fn in_memory(&self) -> bool {
        false
    }
}

impl Vfs for DiskVfs {
    type Handle = Handle;

    fn open(&self, path: Option<&str>, opts: OpenOpts) -> VfsResult<Handle> {
        let mode = opts.mode();
        let Some(path) = path else {
            return Ok(Handle {
                place: Place::Temporary(Content::default()),
                readonly: false,
            });
        };
        let (machine, name) = self.nodes.find(path).ok_or(vars::SQLITE_CANTOPEN)?;
        let create = match &mode {
            OpenMode::ReadOnly => false,
            OpenMode::ReadWrite { create } => *create != CreateMode::None,
        };
        let opened = machine
            .lock()
            .open(name, create, mode.must_create())
            .map_err(|refusal| code(refusal, Call::Create))?;
        let delete_on_close = opts.delete_on_close().then(|| name.to_owned());
        Ok(Handle {
            place: Place::OnNode(NodeFile {
                machine,
                opened,
                delete_on_close,
                regions: Vec::new(),
            }),
            readonly: mode.is_readonly(),
        })
    }

    fn delete(&self, path: &str) -> VfsResult<()> {
        let (machine, name) = self.nodes.find(path).ok_or(vars::SQLITE_IOERR_DELETE)?;
        let deleted = machine.lock().delete(name);
        deleted.map_err(|refusal| code(refusal, Call::Delete))
    }

    fn access(&self, path: &str, _: AccessFlags) -> VfsResult<bool> {
        let Some((machine, name)) = self.nodes.find(path) else {
            return Ok(false);
        };
        // As on Unix, an empty file counts as none.
        let found = machine.lock().has_bytes(name);
        found.map_err(|_| vars::SQLITE_IOERR_ACCESS)
    }

    fn file_size(&self, handle: &mut Handle) -> VfsResult<usize> {
        match &handle.place {
            Place::Temporary(content) => Ok(content.len()),
            Place::OnNode(file) => {
                let mut state = file.machine.lock();
                let slot = state.slot(&file.opened);
                slot.map(|slot| slot.file.content().len())
                    .map_err(|_| vars::SQLITE_IOERR_FSTAT)
            }
        }
    }

    fn truncate(&self, handle: &mut Handle, size: usize) -> VfsResult<()> {
        match &mut handle.place {
            Place::Temporary(content) => content.resize(size),
            Place::OnNode(file) => {
                let done = file.machine.lock().truncate(&file.opened, size);
                done.map_err(|refusal| code(refusal, Call::Truncate))?;
            }
        }
        Ok(())
    }

    fn write(&self, handle: &mut Handle, offset: usize, data: &[u8]) -> VfsResult<usize> {
        match &mut handle.place {
            Place::Temporary(content) => content.write(offset, data),
            Place::OnNode(file) => {
                let done = file.machine.lock().write(&file.opened, offset, data);
                done.map_err(|refusal| code(refusal, Call::Write))?;
            }
        }
        Ok(data.len())
    }

    fn read(&self, handle: &mut Handle, offset: usize, data: &mut [u8]) -> VfsResult<usize> {
        match &handle.place {
            Place::Temporary(content) => Ok(content.read(offset, data)),
            Place::OnNode(file) => {
                let done = file.machine.lock().read(&file.opened, offset, data);
                done.map_err(|refusal| code(refusal, Call::Read))
            }
        }
    }

    fn sync(&self, handle: &mut Handle) -> VfsResult<()> {
        if let Place::OnNode(file) = &handle.place {
            let done = file.machine.lock().sync(&file.opened);
            done.map_err(|refusal| code(refusal, Call::Sync))?;
        }
        Ok(())
    }

    fn lock(&self, handle: &mut Handle, level: LockLevel) -> VfsResult<()> {
        let Place::OnNode(file) = &handle.place else {
            return Ok(());
        };
        let mut state = file.machine.lock();
        let slot = state.slot(&file.opened);
        let slot = slot.map_err(|_| vars::SQLITE_IOERR_LOCK)?;
        let done = slot.locks.lock(file.opened.holder, level);
        done.map_err(|_| vars::SQLITE_BUSY)
    }

    fn unlock(&self, handle: &mut Handle, level: LockLevel) -> VfsResult<()> {
        if let Place::OnNode(file) = &handle.place
            && let Ok(slot) = file.machine.lock().slot(&file.opened)
        {
            slot.locks.unlock(file.opened.holder, level);
        }
        Ok(())
    }

    fn check_reserved_lock(&self, handle: &mut Handle) -> VfsResult<bool> {
        let Place::OnNode(file) = &handle.place else {
            return Ok(false);
        };
        let mut state = file.machine.lock();
        let slot = state.slot(&file.opened);
        slot.map(|slot| slot.locks.is_reserved())
            .map_err(|_| vars::SQLITE_IOERR_CHECKRESERVEDLOCK)
    }

    fn close(&self, handle: Handle) -> VfsResult<()> {
        drop(handle);
        Ok(())
    }

    fn sector_size(&self, _: &mut Handle) -> VfsResult<i32> {
        Ok(512)
    }

    /// The least that a disk promises: what lies beside a write survives it.
    fn device_characteristics(&self, _: &mut Handle) -> VfsResult<i32> {
        Ok(vars::SQLITE_IOCAP_POWERSAFE_OVERWRITE)
    }

    fn shm_map(
        &self,
        handle: &mut Handle,
        region_idx: usize,
        region_size: usize,
        extend: bool,
    ) -> VfsResult<Option<NonNull<u8>>> {
        let Place::OnNode(file) = &mut handle.place else {
            return Err(vars::SQLITE_IOERR_SHMMAP);
        };
        let mut state = file.machine.lock();
        let slot = state.slot(&file.opened);
        let memory = &mut slot.map_err(|_| vars::SQLITE_IOERR_SHMMAP)?.memory;
        let region = memory.map(file.opened.holder, region_idx, region_size, extend);
        Ok(region.map(|region| {
            let address = NonNull::from(&*region).cast::<u8>();
            if !file.regions.iter().any(|kept| Arc::ptr_eq(kept, &region)) {
                file.regions.push(region);
            }
            address
        }))
    }

    fn shm_lock(
        &self,
        handle: &mut Handle,
        offset: u32,
        count: u32,
        mode: ShmLockMode,
    ) -> VfsResult<()> {
        let Place::OnNode(file) = &handle.place else {
            return Err(vars::SQLITE_IOERR_SHMLOCK);
        };
        let mut state = file.machine.lock();
        let slot = state.slot(&file.opened);
        let memory = &mut slot.map_err(|_| vars::SQLITE_IOERR_SHMLOCK)?.memory;
        let (first, count) = (offset as usize, count as usize);
        let done = memory.lock(file.opened.holder, first, count, mode);
        done.map_err(|_| vars::SQLITE_BUSY)
    }

    fn shm_barrier(&self, _: &mut Handle) {
        fence(Ordering::SeqCst);
    }

    fn shm_unmap(&self, handle: &mut Handle, _delete: bool) -> VfsResult<()> {
        if let Place::OnNode(file) = &mut handle.place {
            if let Ok(slot) = file.machine.lock().slot(&file.opened) {
                slot.memory.unmap(file.opened.holder);
            }
            file.regions.clear();
        }
        Ok(())
    }
}

fn code(refusal: Refusal, call: Call) -> SqliteErr {
    match (refusal, call) {
        (Refusal::Full, _) => vars::SQLITE_FULL,
        (Refusal::Missing, Call::Delete) => vars::SQLITE_IOERR_DELETE_NOENT,
        (Refusal::Missing, _) => vars::SQLITE_CANTOPEN,
        (Refusal::Failed(_), Call::Create) => vars::SQLITE_CANTOPEN,
        (Refusal::Dead, Call::Create) => vars::SQLITE_IOERR,
        (Refusal::Dead | Refusal::Failed(_), Call::Read) => vars::SQLITE_IOERR_READ,
        (Refusal::Dead | Refusal::Failed(_), Call::Write) => vars::SQLITE_IOERR_WRITE,
        (Refusal::Dead | Refusal::Failed(_), Call::Truncate) => vars::SQLITE_IOERR_TRUNCATE,
        (Refusal::Dead | Refusal::Failed(_), Call::Sync) => vars::SQLITE_IOERR_FSYNC,
        (Refusal::Dead | Refusal::Failed(_), Call::Delete) => vars::SQLITE_IOERR_DELETE,
    }
}
