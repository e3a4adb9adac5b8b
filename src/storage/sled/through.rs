//! Writes that reach the medium before they return.
//!
//! sled takes what it has written for durable once `sync_file_range` has returned, and goes on from there: it overwrites a
//! segment of its log as soon as what was in it has been written elsewhere, and says in the head of the next one how far the log is
//! durable. But that call neither makes the file's growth durable nor empties the disk's cache. After a power cut a segment at
//! the end of the file may be gone while one that was written later, over an older one, is there. Recovery then reads on behind the
//! hole, or takes the whole log for gone and zeroes it; and what the overwritten segment held may be gone too. Syncing after sled has
//! written is too late for that. So its file is marked such that the kernel syncs within each write.
//!
//! Elsewhere than on Linux sled syncs its file itself after each write.

use std::fs::File;
use std::io;

/// Makes every write to the file, by whomever, a synchronous one, and puts on the medium what has been written before. Gives whether this
/// can be relied on: elsewhere the file has to be synced as ever.
#[cfg(target_os = "linux")]
pub(super) fn write_through(file: &File) -> io::Result<bool> {
    use rustix::fs::{IFlags, fstatfs, ioctl_getflags, ioctl_setflags};
    let marked = || ioctl_getflags(file).ok().filter(|flags| flags.contains(IFlags::SYNC));
    if let (None, Ok(flags)) = (marked(), ioctl_getflags(file)) {
        // Whether it worked is looked at below. It is of use also where that cannot be relied on, as above another file system.
        let _ = ioctl_setflags(file, flags | IFlags::SYNC);
    }
    let heeds = fstatfs(file).is_ok_and(|system| HEED_IT.contains(&(system.f_type as u32)));
    file.sync_all()?;
    Ok(heeds && marked().is_some())
}

/// ext2, ext3, ext4; xfs; btrfs; f2fs.
#[cfg(target_os = "linux")]
const HEED_IT: [u32; 4] = [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010];

#[cfg(not(target_os = "linux"))]
pub(super) fn write_through(file: &File) -> io::Result<bool> {
    file.sync_all()?;
    Ok(true)
}
