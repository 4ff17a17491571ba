//! Which of the published files are seeded. Pure: the client does what [`Stock::next`] says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use peer::storage::SourceFile;
use shared::id::InfoHash;
use shared::metainfo::Metainfo;

/// Files that are remembered. With one more, the one that matters least is forgotten until it is hashed again.
const REMEMBERED_MAX: usize = 10_000;

/// A published file, hashed.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) metainfo: Arc<Metainfo>,
    pub(crate) source: SourceFile,
    /// Below `/files/`, encoded.
    pub(crate) path: String,
    /// As in [`crate::files::Published`].
    pub(crate) version: String,
    pub(crate) modified: SystemTime,
}

/// What is known, and what the client has.
#[derive(Debug)]
pub(super) struct Stock {
    most: usize,
    items: BTreeMap<InfoHash, Entry>,
    /// Torrents of the client.
    held: BTreeMap<InfoHash, Held>,
    asked: u64,
}

#[derive(Debug)]
struct Entry {
    item: Item,
    /// The higher, the later somebody asked for it; 0 if nobody did.
    asked: u64,
}

impl Entry {
    /// What matters more is higher: what was asked for last, then what is newest.
    const fn rank(&self) -> (u64, SystemTime) {
        (self.asked, self.item.modified)
    }
}

#[derive(Debug)]
struct Held {
    source: SourceFile,
    leaving: bool,
}

/// What the client is to do.
#[derive(Debug)]
pub(super) enum Step {
    Add(Item),
    Remove(InfoHash),
}

impl Stock {
    /// Seeds at most so many at once.
    pub(super) const fn new(most: usize) -> Self {
        Self { most, items: BTreeMap::new(), held: BTreeMap::new(), asked: 0 }
    }

    /// Takes in a file, in place of what lay there before. Of two that are the same torrent the later one counts.
    pub(super) fn publish(&mut self, item: Item) {
        let info_hash = item.metainfo.info_hash();
        let asked = self.items.get(&info_hash).map_or(0, |entry| entry.asked);
        self.items.retain(|_, entry| entry.item.path != item.path);
        self.items.insert(info_hash, Entry { item, asked });
        if self.items.len() > REMEMBERED_MAX {
            let least = self.items.iter().min_by_key(|(_, entry)| entry.rank());
            if let Some(least) = least.map(|(info_hash, _)| *info_hash) {
                self.items.remove(&least);
            }
        }
    }

    /// Somebody wants it. `None` if it is not published, else whether there is something to do.
    pub(super) fn ask(&mut self, info_hash: &InfoHash) -> Option<bool> {
        let entry = self.items.get_mut(info_hash)?;
        self.asked += 1;
        entry.asked = self.asked;
        Some(!self.held.contains_key(info_hash))
    }

    /// The file is no longer what it was; unless another has taken its place since.
    pub(super) fn forget(&mut self, info_hash: &InfoHash, source: &SourceFile) {
        if self.items.get(info_hash).is_some_and(|entry| entry.item.source == *source) {
            self.items.remove(info_hash);
        }
    }

    /// Whether it is not known, and there is room for it.
    pub(super) fn lacks(&self, info_hash: &InfoHash) -> bool {
        !self.items.contains_key(info_hash) && self.items.len() < REMEMBERED_MAX
    }

    /// The client cannot read it any more. Where it was.
    pub(super) fn failed(&mut self, info_hash: &InfoHash) -> Option<Item> {
        let source = self.held.get(info_hash)?.source.clone();
        let item = self.items.get(info_hash).map(|entry| &entry.item).filter(|item| item.source == source)?;
        let item = item.clone();
        self.items.remove(info_hash);
        Some(item)
    }

    /// The client let go of it.
    pub(super) fn removed(&mut self, info_hash: &InfoHash) {
        self.held.remove(info_hash);
    }

    /// The client has only those for which `has` is true.
    pub(super) fn retain_held(&mut self, has: impl Fn(&InfoHash) -> bool) {
        self.held.retain(|info_hash, held| !held.leaving || has(info_hash));
    }

    pub(super) fn is_seeded(&self, info_hash: &InfoHash) -> bool {
        self.held.get(info_hash).is_some_and(|held| !held.leaving)
    }

    pub(super) fn seeded(&self) -> usize {
        self.held.values().filter(|held| !held.leaving).count()
    }

    /// What is seeded.
    pub(super) fn items(&self) -> impl Iterator<Item = &Item> {
        self.held.keys().filter_map(|info_hash| self.items.get(info_hash)).map(|entry| &entry.item)
    }

    /// What is to be done now. What takes the place of another waits until that is removed.
    pub(super) fn next(&mut self) -> Vec<Step> {
        let mut ranked: Vec<_> = self.items.iter().collect();
        if ranked.len() > self.most {
            ranked.sort_unstable_by_key(|(_, entry)| std::cmp::Reverse(entry.rank()));
            ranked.truncate(self.most);
        }
        let wanted: BTreeSet<InfoHash> = ranked.into_iter().map(|(info_hash, _)| *info_hash).collect();
        let mut steps = Vec::new();
        for (info_hash, held) in &mut self.held {
            let current = self.items.get(info_hash).is_some_and(|entry| entry.item.source == held.source);
            let stays = current && wanted.contains(info_hash);
            if !held.leaving && !stays {
                held.leaving = true;
                steps.push(Step::Remove(*info_hash));
            }
        }
        for info_hash in wanted {
            if self.held.len() >= self.most {
                break;
            }
            if self.held.contains_key(&info_hash) {
                continue;
            }
            let Some(Entry { item, .. }) = self.items.get(&info_hash) else { continue };
            self.held.insert(info_hash, Held { source: item.source.clone(), leaving: false });
            steps.push(Step::Add(item.clone()));
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::time::{Duration, UNIX_EPOCH};

    use shared::metainfo::builder::Builder;

    use super::*;

    /// The file `name`, rewritten with these contents; its age makes it matter less.
    fn item(directory: &Path, name: &str, contents: &str, age: u64) -> Item {
        let path = directory.join(name);
        fs::write(&path, contents).unwrap();
        let mut builder = Builder::new(None, &[(vec![name.to_owned()], contents.len() as u64)]).unwrap();
        for piece in builder.layout().all_pieces() {
            builder.set_hash(piece, [contents.as_bytes()[0]; 20]);
        }
        Item {
            metainfo: Arc::new(builder.finish().unwrap()),
            source: SourceFile::look(&path).unwrap(),
            path: name.to_owned(),
            version: String::new(),
            modified: UNIX_EPOCH + Duration::from_secs(1_000 - age),
        }
    }

    fn told(steps: Vec<Step>) -> Vec<(char, InfoHash)> {
        let told = steps.into_iter().map(|step| match step {
            Step::Add(item) => ('+', item.metainfo.info_hash()),
            Step::Remove(info_hash) => ('-', info_hash),
        });
        told.collect()
    }

    #[test]
    fn the_newest_are_seeded_until_others_are_asked_for() {
        let directory = tempfile::tempdir().unwrap();
        let items: Vec<Item> =
            ["a", "b", "c"].iter().zip(0..).map(|(n, age)| item(directory.path(), n, n, age)).collect();
        let [a, b, c] = [0, 1, 2].map(|n: usize| items[n].metainfo.info_hash());
        let mut stock = Stock::new(2);
        items.into_iter().for_each(|item| stock.publish(item));
        let mut first = told(stock.next());
        first.sort_unstable();
        let mut wanted = vec![('+', a), ('+', b)];
        wanted.sort_unstable();
        assert_eq!(first, wanted);
        assert_eq!(stock.ask(&c), Some(true));
        assert_eq!(told(stock.next()), [('-', b)]);
        assert_eq!((told(stock.next()), stock.seeded()), (vec![], 1), "its place is not free yet");
        stock.removed(&b);
        assert_eq!(told(stock.next()), [('+', c)]);
        assert_eq!(stock.ask(&c), Some(false));
        assert_eq!(stock.ask(&InfoHash([7; 20])), None);
    }

    #[test]
    fn what_changed_is_dropped_and_the_same_contents_elsewhere_take_its_place() {
        let directory = tempfile::tempdir().unwrap();
        let mut stock = Stock::new(2);
        let old = item(directory.path(), "a", "x", 0);
        let info_hash = old.metainfo.info_hash();
        stock.publish(old.clone());
        assert_eq!(told(stock.next()), [('+', info_hash)]);
        let sub = directory.path().join("sub");
        fs::create_dir(&sub).unwrap();
        let copy = item(&sub, "a", "x", 0);
        stock.publish(copy.clone());
        stock.forget(&info_hash, &old.source);
        assert_eq!(told(stock.next()), [('-', info_hash)]);
        stock.removed(&info_hash);
        assert_eq!(told(stock.next()), [('+', info_hash)]);
        assert!(stock.failed(&info_hash).is_some_and(|item| item.source == copy.source));
        assert_eq!(told(stock.next()), [('-', info_hash)]);
        stock.removed(&info_hash);
        assert!(told(stock.next()).is_empty() && !stock.is_seeded(&info_hash) && stock.lacks(&info_hash));
    }
}
