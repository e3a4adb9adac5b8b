//! Changes of a file that have not reached it.

use std::collections::BTreeMap;

const BLOCK: u64 = 4096;
const BLOCK_BYTES: usize = 4096;

/// What a file would look like with some writes and changes of its length, which are kept in memory. Whoever asks tells
/// what the file itself holds; nothing here touches it.
#[derive(Debug)]
pub(super) struct HeldBack {
    /// Blocks that differ from the file's.
    blocks: BTreeMap<u64, Box<[u8; BLOCK_BYTES]>>,
    /// How long the file shall be.
    length: u64,
    /// How much of the file still counts: it has been cut here, and what is beyond reads as zeros.
    counts: u64,
}

impl HeldBack {
    /// Nothing yet, of a file of that length.
    pub(super) const fn new(length: u64) -> Self {
        Self { blocks: BTreeMap::new(), length, counts: length }
    }

    /// How long the file shall be.
    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        self.blocks.len().saturating_mul(BLOCK_BYTES)
    }

    /// How many bytes of `length` from `offset` on are the file's own, unless a block says otherwise; the others are zeros.
    pub(super) fn own_bytes(&self, offset: u64, length: usize) -> usize {
        let there = usize::try_from(self.counts.saturating_sub(offset)).unwrap_or(usize::MAX);
        there.min(length)
    }

    /// The blocks that have a part in `length` bytes from `offset` on, copied.
    pub(super) fn part(&self, offset: u64, length: usize) -> Vec<(u64, Box<[u8; BLOCK_BYTES]>)> {
        let end = offset.saturating_add(length as u64).div_ceil(BLOCK);
        let blocks = self.blocks.range(offset / BLOCK..end.max(offset / BLOCK));
        blocks.map(|(number, block)| (*number, block.clone())).collect()
    }

    /// Writes `data` at `offset`. `file` reads the file's own bytes, as many as [`own_bytes`](Self::own_bytes) says.
    pub(super) fn write<E>(
        &mut self,
        offset: u64,
        data: &[u8],
        mut file: impl FnMut(u64, &mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut at = offset;
        let mut rest = data;
        while !rest.is_empty() {
            let number = at / BLOCK;
            let skipped = (at % BLOCK) as usize;
            let (now, later) = rest.split_at(rest.len().min(BLOCK_BYTES.saturating_sub(skipped)));
            if !self.blocks.contains_key(&number) {
                let mut block = Box::new([0; BLOCK_BYTES]);
                let start = number.saturating_mul(BLOCK);
                let own = self.own_bytes(start, BLOCK_BYTES);
                if now.len() < BLOCK_BYTES && own > 0 {
                    file(start, block.split_at_mut(own).0)?;
                }
                self.blocks.insert(number, block);
            }
            if let Some(block) = self.blocks.get_mut(&number) {
                let (_, tail) = block.split_at_mut(skipped);
                tail.split_at_mut(now.len()).0.copy_from_slice(now);
            }
            at = at.saturating_add(now.len() as u64);
            rest = later;
        }
        self.length = self.length.max(at);
        Ok(())
    }

    /// Cuts the file, or lengthens it by zeros.
    pub(super) fn set_length(&mut self, length: u64) {
        if length < self.length {
            self.counts = self.counts.min(length);
            let _ = self.blocks.split_off(&length.div_ceil(BLOCK));
            if let Some(block) = self.blocks.get_mut(&(length / BLOCK)) {
                block.split_at_mut((length % BLOCK) as usize).1.fill(0);
            }
        }
        self.length = length;
    }

    /// Makes the changes on the file. What has not been made when one fails is still here.
    pub(super) fn release<E>(
        &mut self,
        file_length: u64,
        mut set_length: impl FnMut(u64) -> Result<(), E>,
        mut write: impl FnMut(u64, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.counts < file_length {
            set_length(self.counts)?;
        }
        if self.counts != self.length {
            set_length(self.length)?;
            self.counts = self.length;
        }
        while let Some(entry) = self.blocks.first_entry() {
            let start = entry.key().saturating_mul(BLOCK);
            let inside = usize::try_from(self.length.saturating_sub(start)).unwrap_or(usize::MAX);
            write(start, entry.get().split_at(inside.min(BLOCK_BYTES)).0)?;
            entry.remove();
        }
        Ok(())
    }
}

/// Puts the bytes of `blocks` over those of `out`, which lie from `offset` on.
pub(super) fn lay_over(blocks: &[(u64, Box<[u8; BLOCK_BYTES]>)], offset: u64, out: &mut [u8]) {
    for (number, block) in blocks {
        let start = number.saturating_mul(BLOCK);
        let (skip_block, skip_out) = match start.checked_sub(offset) {
            Some(ahead) => (0, ahead),
            None => (offset.saturating_sub(start), 0),
        };
        let source = block.split_at((skip_block as usize).min(BLOCK_BYTES)).1;
        let Some((_, target)) = out.split_at_mut_checked(skip_out as usize) else { continue };
        let shared = source.len().min(target.len());
        target.split_at_mut(shared).0.copy_from_slice(source.split_at(shared).0);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Change {
        Write(u64, usize, u8),
        Length(u64),
    }

    fn changes() -> impl Strategy<Value = Vec<Change>> {
        let write = (0..30_000_u64, 1..9_000_usize, 1..=u8::MAX);
        let page = (0..9_u64, 1..4_usize, 1..=u8::MAX);
        proptest::collection::vec(
            prop_oneof![
                3 => page.prop_map(|(at, count, byte)| Change::Write(at * BLOCK, count * BLOCK_BYTES, byte)),
                3 => write.prop_map(|(at, length, byte)| Change::Write(at, length, byte)),
                1 => (0..40_000_u64).prop_map(Change::Length),
                1 => (0..9_u64).prop_map(|blocks| Change::Length(blocks * BLOCK)),
            ],
            1..14,
        )
    }

    fn written(file: &mut Vec<u8>, at: u64, data: &[u8]) {
        let end = at as usize + data.len();
        file.resize(file.len().max(end), 0);
        file[at as usize..end].copy_from_slice(data);
    }

    proptest! {
        #[test]
        fn is_read_and_released_as_if_it_had_been_written(
            changes in changes(),
            length in 0..50_000_usize,
            reads in proptest::collection::vec((0..50_000_usize, 0..9_000_usize), 1..8),
        ) {
            let file: Vec<u8> = (0..length).map(|at| (at / 7) as u8 | 1).collect();
            let (mut held, mut model) = (HeldBack::new(length as u64), file.clone());
            for change in changes {
                match change {
                    Change::Write(at, length, byte) => {
                        let data = vec![byte; length];
                        written(&mut model, at, &data);
                        let own = |at: u64, out: &mut [u8]| {
                            out.copy_from_slice(&file[at as usize..at as usize + out.len()]);
                            Ok::<_, Infallible>(())
                        };
                        held.write(at, &data, own).unwrap();
                    }
                    Change::Length(length) => {
                        model.resize(length as usize, 0);
                        held.set_length(length);
                    }
                }
                prop_assert_eq!(held.length(), model.len() as u64);
                for (at, length) in &reads {
                    let end = (at + length).min(model.len());
                    let Some(right) = model.get(*at..end) else { continue };
                    let mut out = vec![0; right.len()];
                    let own = held.own_bytes(*at as u64, out.len());
                    if own > 0 {
                        out[..own].copy_from_slice(&file[*at..*at + own]);
                    }
                    lay_over(&held.part(*at as u64, right.len()), *at as u64, &mut out);
                    prop_assert!(out == right, "{} bytes from {}", right.len(), at);
                }
            }
            let target = RefCell::new(file);
            held.release(
                length as u64,
                |length| {
                    target.borrow_mut().resize(length as usize, 0);
                    Ok::<_, Infallible>(())
                },
                |at, data| {
                    written(&mut target.borrow_mut(), at, data);
                    Ok(())
                },
            )
            .unwrap();
            prop_assert!(*target.borrow() == model);
            prop_assert_eq!(held.bytes(), 0);
        }
    }
}
