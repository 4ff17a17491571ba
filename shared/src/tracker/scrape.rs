//! What a scrape tells, in whatever protocol (BEP 15, 48, and WebTorrent's).

/// Numbers of one swarm in a scrape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScrapeCounts {
    /// Members that have everything.
    pub complete: u32,
    /// Members that have not.
    pub incomplete: u32,
    /// Those of them that download: all but the partial seeds (BEP 21). `None` where nothing is said of it; UDP has no place for it.
    pub downloaders: Option<u32>,
    /// Times that the torrent was downloaded, as far as the tracker knows.
    pub downloaded: u32,
}
