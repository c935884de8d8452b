//! Keeping a mirror small: many small packs become one, without what no reference leads to any more.

use super::{Limits, State, disk, walk};
use crate::ObjectId;
use crate::pack::encode::{self, EntryToWrite};
use crate::pack::{self, Pack, Packs};
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, BufWriter};
use std::path::Path;
use std::sync::Arc;

/// Merges packs when there are more than allowed.
///
/// The largest packs stay as they are while most of what they hold is in use, so a merge costs in proportion to what
/// came since the last one, not to the size of the repository.
pub(super) fn run(directory: &Path, state: &mut State, limits: &Limits) -> io::Result<()> {
    if state.packs.packs().len() <= limits.most_packs {
        return Ok(());
    }
    let tips = state
        .references
        .values()
        .flat_map(|reference| [reference.id, reference.commit()]);
    let pinned = state.pinned.iter().copied();
    let Ok(reachable) = walk::reachable(&state.packs, tips.chain(pinned)) else {
        // A reader will meet the damage, and the next fetch heals it.
        return Ok(());
    };
    let merged = choose(state.packs.packs(), reachable.len());
    let kept = state.packs.without(&merged);
    let mut wanted: Vec<ObjectId> = Vec::new();
    let mut seen = HashSet::new();
    for id in merged.iter().flat_map(|pack| pack.ids().collect::<Vec<_>>()) {
        if reachable.contains(&id) && !kept.contains(id) && seen.insert(id) {
            wanted.push(id);
        }
    }
    let pack = write(directory, &state.packs, &wanted, limits)?;
    // With the same content the new pack has the name of an old one, whose files must stay.
    let new_path = pack.as_ref().map(|pack| pack.path().to_owned());
    state.packs = match pack {
        Some(pack) => kept.with(pack),
        None => kept,
    };
    for old in merged
        .iter()
        .filter(|old| Some(old.path()) != new_path.as_deref())
    {
        disk::remove_pack(old.path());
    }
    Ok(())
}

/// The packs to merge: from the smallest on, as long as one does not dwarf those before it.
fn choose(packs: &[Arc<Pack>], reachable: usize) -> Vec<Arc<Pack>> {
    let mut packs: Vec<Arc<Pack>> = packs.to_vec();
    packs.sort_by_key(|pack| pack.count());
    let total: usize = packs.iter().map(|pack| pack.count() as usize).sum();
    if total > reachable * 2 + 1000 {
        return packs;
    }
    let mut sum = 0;
    let half = packs.len() / 2;
    let mut chosen = 0;
    for (position, pack) in packs.iter().enumerate() {
        let count = pack.count() as usize;
        if position > half && count > 2 * sum {
            break;
        }
        sum += count;
        chosen = position + 1;
    }
    packs.truncate(chosen);
    packs
}

fn write(directory: &Path, packs: &Packs, ids: &[ObjectId], limits: &Limits) -> io::Result<Option<Pack>> {
    if ids.is_empty() {
        return Ok(None);
    }
    let target = disk::pack_directory(directory);
    let path = target.join("merge.new");
    let count = u32::try_from(ids.len()).map_err(io::Error::other)?;
    let entries = ids.iter().map(|id| {
        let object = packs.read(*id).map_err(io::Error::other)?;
        object
            .map(EntryToWrite::Owned)
            .ok_or_else(|| io::Error::other(format!("object {id} is missing")))
    });
    encode::write(BufWriter::new(File::create(&path)?), count, entries)?;
    let mut input = BufReader::new(File::open(&path)?);
    let nothing = Packs::new(limits.largest_object);
    let pack = pack::index(&mut input, &target, &nothing, u64::MAX, u64::MAX).map_err(io::Error::from);
    std::fs::remove_file(&path)?;
    pack
}
