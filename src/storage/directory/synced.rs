//! The side file: the last state that is known to be on the medium (section 8 of the format).

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::storage::directory::lock::DirectoryLock;
use crate::storage::watermark::{Mark, Watermark};

const MAGIC: [u8; 4] = *b"PVS0";
const SLOT: usize = 32;
/// Where the slots are: no sector holds both, so a torn write leaves one of them.
const OFFSETS: [usize; 2] = [0, 512];

/// Two slots that are written in turn; the one with the larger sequence counts. Writing a mark with a smaller sequence
/// than the last (a loss that was accepted) overwrites both.
#[derive(Debug)]
pub(crate) struct SideFile {
    state: Mutex<State>,
    /// As long as somebody can write here, nobody else may open the store.
    _lock: Option<Arc<DirectoryLock>>,
}

#[derive(Debug)]
struct State {
    file: File,
    newest: Option<(usize, Mark)>,
}

impl SideFile {
    /// Opens the file at `path`, and makes it where there is none.
    pub(in crate::storage) fn open(path: &Path, lock: Option<Arc<DirectoryLock>>) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let newest = newest(&mut file)?;
        Ok(Self { state: Mutex::new(State { file, newest }), _lock: lock })
    }

    /// The newest mark in the file at `path`; `None` also where there is no file. Writes nothing.
    pub(in crate::storage) fn peek(path: &Path) -> io::Result<Option<Mark>> {
        match File::open(path) {
            Ok(mut file) => Ok(newest(&mut file)?.map(|(_, mark)| mark)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Watermark for SideFile {
    fn read(&self) -> io::Result<Option<Mark>> {
        Ok(self.state.lock().unwrap_or_else(PoisonError::into_inner).newest.map(|(_, mark)| mark))
    }

    fn record(&self, mark: Mark) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (slot, back) = match state.newest {
            Some((newest, last)) => (1 - newest.min(1), mark.sequence < last.sequence),
            None => (0, false),
        };
        write_slot(&mut state.file, slot, mark)?;
        if back {
            write_slot(&mut state.file, 1 - slot, mark)?;
        }
        state.newest = Some((slot, mark));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).file.sync_data()
    }
}

fn newest(file: &mut File) -> io::Result<Option<(usize, Mark)>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.take(1024).read_to_end(&mut bytes)?;
    let marks = OFFSETS.iter().enumerate();
    let marks = marks.filter_map(|(slot, offset)| Some((slot, decode(bytes.get(*offset..)?)?)));
    Ok(marks.max_by_key(|(_, mark)| mark.sequence))
}

fn write_slot(file: &mut File, slot: usize, mark: Mark) -> io::Result<()> {
    let offset = OFFSETS.get(slot).copied().unwrap_or_default();
    file.seek(SeekFrom::Start(offset as u64))?;
    file.write_all(&encode(mark))
}

fn encode(mark: Mark) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(SLOT);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&mark.sequence.to_le_bytes());
    bytes.extend_from_slice(&mark.digest.to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<Mark> {
    let (magic, rest) = bytes.split_first_chunk::<4>()?;
    let (sequence, rest) = rest.split_first_chunk::<8>()?;
    let (digest, rest) = rest.split_first_chunk::<16>()?;
    let (checksum, _) = rest.split_first_chunk::<4>()?;
    let sound = *magic == MAGIC && crc32fast::hash(bytes.get(..SLOT - 4)?) == u32::from_le_bytes(*checksum);
    sound.then(|| Mark { sequence: u64::from_le_bytes(*sequence), digest: u128::from_le_bytes(*digest) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mark(sequence: u64) -> Mark {
        Mark { sequence, digest: u128::from(sequence) << 70 | 5 }
    }

    fn reread(path: &Path) -> Option<Mark> {
        let opened = SideFile::open(path, None).unwrap().read().unwrap();
        assert_eq!(SideFile::peek(path).unwrap(), opened);
        opened
    }

    #[test]
    fn the_last_mark_is_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("synced");
        assert_eq!(SideFile::peek(&path).unwrap(), None);
        let file = SideFile::open(&path, None).unwrap();
        assert_eq!(file.read().unwrap(), None);
        for sequence in [0, 1, 2, 2, 7, u64::MAX] {
            file.record(mark(sequence)).unwrap();
            assert_eq!(file.read().unwrap(), Some(mark(sequence)));
            assert_eq!(reread(&path), Some(mark(sequence)));
        }
        file.sync().unwrap();
        file.record(mark(3)).unwrap();
        assert_eq!(reread(&path), Some(mark(3)), "an accepted loss counts back");
        file.record(mark(4)).unwrap();
        assert_eq!(reread(&path), Some(mark(4)));
    }

    #[test]
    fn a_slot_has_the_bytes_of_the_format() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("synced");
        let file = SideFile::open(&path, None).unwrap();
        file.record(Mark { sequence: 0x0102, digest: 0x0304 }).unwrap();
        file.record(Mark { sequence: 0x0103, digest: 0 }).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.len(), 512 + 32);
        assert_eq!(&bytes[..14], b"PVS0\x02\x01\0\0\0\0\0\0\x04\x03");
        assert_eq!(bytes[28..32], crc32fast::hash(&bytes[..28]).to_le_bytes());
        assert_eq!(&bytes[512..520], b"PVS0\x03\x01\0\0");
    }

    proptest! {
        /// Whatever a torn write leaves of the slot being written, the mark before it or the new one is read.
        #[test]
        fn a_torn_slot_costs_one_mark(count in 1_u64..6, kept in 0_usize..32, rubbish in any::<[u8; 32]>()) {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("synced");
            let file = SideFile::open(&path, None).unwrap();
            for sequence in 1..=count {
                file.record(mark(sequence)).unwrap();
            }
            let slot = usize::from(count % 2 == 0);
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[OFFSETS[slot] + kept..OFFSETS[slot] + 32].copy_from_slice(&rubbish[kept..]);
            std::fs::write(&path, &bytes).unwrap();
            let read = reread(&path);
            let before = (count > 1).then(|| mark(count - 1));
            prop_assert!(read == before || read == Some(mark(count)), "{:?}", read);
            let file = SideFile::open(&path, None).unwrap();
            file.record(mark(count + 1)).unwrap();
            prop_assert_eq!(reread(&path), Some(mark(count + 1)));
        }

        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..1100)) {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("synced");
            std::fs::write(&path, &bytes).unwrap();
            prop_assert_eq!(reread(&path), None);
        }
    }
}
