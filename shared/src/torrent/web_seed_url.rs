//! Where a web seed has a file (BEP 19), and whether it may be contacted.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::address;
use crate::bencode::{Order, Value, decode};
use crate::metainfo::Metainfo;

/// Everything but RFC 3986's unreserved characters.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The names that a server has, where they were changed to be safe here.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    name: Option<Vec<u8>>,
    paths: BTreeMap<usize, Vec<Vec<u8>>>,
}

impl Names {
    /// Compares a torrent's names as they came with what they were made.
    pub(super) fn of(meta: &Metainfo) -> Self {
        let mut names = Self::default();
        let Ok(info) = decode(meta.info_bytes(), Order::Any) else { return names };
        let Some(info) = info.dictionary() else { return names };
        let text = |key: &'static str, plain: &'static str| {
            info.get(key.as_bytes()).or_else(|| info.get(plain.as_bytes())).and_then(Value::bytes)
        };
        names.name =
            text("name.utf-8", "name").filter(|name| *name != meta.name().as_bytes()).map(<[u8]>::to_vec);
        let files = info.get(b"files").and_then(Value::list).into_iter().flatten();
        for (number, (file, known)) in files.zip(meta.files()).enumerate() {
            let Some(file) = file.dictionary() else { continue };
            let path = file.get(b"path.utf-8").or_else(|| file.get(b"path")).and_then(Value::list);
            let parts = path.into_iter().flatten().filter_map(Value::bytes);
            let parts: Vec<&[u8]> = parts.filter(|part| !matches!(*part, b"" | b".")).collect();
            if !parts.iter().copied().eq(known.path.iter().map(String::as_bytes)) {
                names.paths.insert(number, parts.into_iter().map(<[u8]>::to_vec).collect());
            }
        }
        names
    }
}

/// The URL of a file: of a web seed that ends in `/`, or of a torrent with several files, name and path are appended.
pub(super) fn of_file(web_seed: &str, meta: &Metainfo, names: &Names, file: usize) -> String {
    let mut url = web_seed.to_owned();
    // A host without a path is a folder as well: its "/" is left out when URLs are checked.
    let host_only = !host_and_path(web_seed).1.starts_with(['/', '?']);
    if !meta.is_folder() && !url.ends_with('/') && !host_only {
        return url;
    }
    if !url.ends_with('/') {
        url.push('/');
    }
    url.extend(percent_encode(names.name.as_deref().unwrap_or(meta.name().as_bytes()), ESCAPED));
    if !meta.is_folder() {
        return url;
    }
    let mut add = |part: &[u8]| {
        url.push('/');
        url.extend(percent_encode(part, ESCAPED));
    };
    match names.paths.get(&file) {
        Some(path) => path.iter().for_each(|part| add(part)),
        None => {
            let path = meta.files().get(file).map(|file| file.path.as_slice()).unwrap_or_default();
            path.iter().for_each(|part| add(part.as_bytes()));
        }
    }
    url
}

/// Whether a URL names this host, its link or a private network outright. What other names lead to, the host finds out.
pub(super) fn is_private(url: &str) -> bool {
    let (host, _) = host_and_path(url);
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    match host.parse() {
        Ok(ip) => !address::is_public(ip),
        Err(_) => {
            let name = host.trim_end_matches('.');
            // A last label that begins with a digit is no name: browsers read it as a number (127.1, 0x7f000001).
            let last = name.rsplit('.').next().unwrap_or_default();
            name == "localhost"
                || name.ends_with(".localhost")
                || last.starts_with(|c: char| c.is_ascii_digit())
        }
    }
}

/// Host with port, and what follows it.
fn host_and_path(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn meta(info: &str) -> Metainfo {
        Metainfo::from_info(Bytes::from(info.to_owned().into_bytes())).expect("valid")
    }

    fn pieces() -> String {
        format!("12:piece lengthi16384e6:pieces20:{}", "x".repeat(20))
    }

    #[test]
    fn a_single_file_is_the_url_itself_or_lies_in_the_folder_that_it_names() {
        let meta = meta(&format!("d6:lengthi5e4:name9:a b:c.bin{}e", pieces()));
        assert_eq!(meta.name(), "a b_c.bin");
        let names = Names::of(&meta);
        for (web_seed, expected) in [
            ("http://h/x.bin", "http://h/x.bin"),
            ("http://h/get?x", "http://h/get?x"),
            ("http://h/x/", "http://h/x/a%20b%3Ac.bin"),
            ("http://h:80", "http://h:80/a%20b%3Ac.bin"),
        ] {
            assert_eq!(of_file(web_seed, &meta, &names, 0), expected);
        }
    }

    #[test]
    fn several_files_lie_in_a_folder_of_the_torrents_name() {
        let files = "5:filesld6:lengthi5e4:pathl1:d3:a?beed6:lengthi5e4:pathl3:d#deee";
        let meta = meta(&format!("d{files}4:name4:n \u{e9}{}e", pieces()));
        let names = Names::of(&meta);
        assert_eq!(of_file("http://h/x", &meta, &names, 0), "http://h/x/n%20%C3%A9/d/a%3Fb");
        assert_eq!(of_file("http://h/x/", &meta, &names, 1), "http://h/x/n%20%C3%A9/d%23d");
    }

    #[test]
    fn private_places_are_told_apart() {
        for url in [
            "http://127.0.0.1:80/x",
            "http://[::1]/x",
            "http://localhost",
            "https://a.localhost:1/",
            "http://10.0.0.1",
            "http://127.1/x",
            "http://0x7f000001/",
            "http://2130706433/",
            "http://[::ffff:192.168.0.1]:80/",
        ] {
            assert!(is_private(url), "{url}");
        }
        for url in ["http://1.1.1.1/x", "https://example.org/127.0.0.1", "http://[2606:4700::1]:80/"] {
            assert!(!is_private(url), "{url}");
        }
    }
}
