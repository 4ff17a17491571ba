//! Rust source as the rules see it: without comments, literals and tests, and as the paths it names.

use std::ops::Range;

/// One text file.
pub(crate) struct Source {
    /// From the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    /// For Rust: `text` with comments and literals blanked out, byte for byte. Else empty.
    pub(crate) code: String,
    /// Like `code`, with everything under `#[cfg(test)]` blanked out too; empty for files that hold only tests.
    pub(crate) shipped: String,
}

impl Source {
    pub(crate) fn new(path: String, text: String) -> Self {
        let code = if path.ends_with(".rs") { without_comments_and_literals(&text) } else { String::new() };
        let shipped = if is_test_file(&path) { String::new() } else { without_tests(&code) };
        Self { path, text, code, shipped }
    }

    /// The paths that the shipped code names, each with its line: `std::time::Instant`, and `crate::id::InfoHash` and
    /// `crate::id::PeerId` for `use crate::id::{InfoHash, PeerId}`. A path may be a single name.
    pub(crate) fn shipped_paths(&self) -> Vec<(usize, String)> {
        paths(&self.shipped)
    }
}

/// The line of a byte, from 1.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at].iter().filter(|&&byte| byte == b'\n').count() + 1
}

/// Where `word` stands by itself in `text`.
pub(crate) fn words(text: &str, word: &str) -> Vec<usize> {
    let inside = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(word)
        .map(|(at, _)| at)
        .filter(|&at| {
            !inside(text[..at].chars().next_back()) && !inside(text[at + word.len()..].chars().next())
        })
        .collect()
}

/// True for files whose whole contents are tests, test support or benches.
pub(crate) fn is_test_file(path: &str) -> bool {
    let (directories, name) = path.rsplit_once('/').unwrap_or(("", path));
    let of_tests = |directory| directory == "tests" || directory == "benches";
    name == "tests.rs" || name.ends_with("_tests.rs") || directories.split('/').any(of_tests)
}

fn without_comments_and_literals(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => find(bytes, at, b"\n").unwrap_or(bytes.len()),
            b'/' if bytes[at..].starts_with(b"/*") => end_of_block_comment(bytes, at),
            b'"' => end_of_string(bytes, at),
            b'r' if !is_inside_name(bytes, at) => match end_of_raw_string(bytes, at) {
                Some(end) => end,
                None => at,
            },
            b'\'' => end_of_character(text, at).unwrap_or(at),
            _ => at,
        };
        if end == at {
            at += 1;
        } else {
            blank(&mut code, at..end);
            at = end;
        }
    }
    // Whole characters were replaced by as many spaces as they had bytes.
    String::from_utf8_lossy(&code).into_owned()
}

fn find(bytes: &[u8], from: usize, needle: &[u8]) -> Option<usize> {
    bytes[from..].windows(needle.len()).position(|window| window == needle).map(|at| from + at)
}

fn blank(code: &mut [u8], range: Range<usize>) {
    code[range].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
}

/// True if the byte before belongs to a name, unless that is the `b` or `c` of `br"` and `cr"`.
fn is_inside_name(bytes: &[u8], at: usize) -> bool {
    let name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    match (at.checked_sub(1).map(|i| bytes[i]), at.checked_sub(2).map(|i| bytes[i])) {
        (Some(b'b' | b'c'), before) => before.is_some_and(name),
        (Some(byte), _) => name(byte),
        (None, _) => false,
    }
}

fn end_of_block_comment(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = start;
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    bytes.len()
}

fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn end_of_raw_string(bytes: &[u8], start: usize) -> Option<usize> {
    let hashes = bytes[start + 1..].iter().take_while(|&&byte| byte == b'#').count();
    if bytes.get(start + 1 + hashes) != Some(&b'"') {
        return None;
    }
    let mut end = vec![b'"'];
    end.resize(1 + hashes, b'#');
    Some(find(bytes, start + 2 + hashes, &end).map_or(bytes.len(), |at| at + end.len()))
}

/// The end of a character literal; nothing for a lifetime.
fn end_of_character(text: &str, start: usize) -> Option<usize> {
    let mut rest = text[start + 1..].chars();
    let first = rest.next()?;
    if first == '\\' {
        rest.next()?;
        return text[start + 1..]
            .match_indices('\'')
            .map(|(at, _)| start + 1 + at)
            .find(|&at| at > start + 2)
            .map(|at| at + 1);
    }
    (rest.next()? == '\'').then(|| start + 1 + first.len_utf8() + 1)
}

/// Blanks each item that follows a `#[cfg(test)]`.
fn without_tests(code: &str) -> String {
    let mut shipped = code.as_bytes().to_vec();
    for (start, attribute) in code.match_indices("#[cfg(test)]") {
        let mut depth = 0_usize;
        let mut end = code.len();
        for (at, byte) in code.bytes().enumerate().skip(start + attribute.len()) {
            match byte {
                b'{' => depth += 1,
                b'}' => depth = depth.saturating_sub(1),
                b';' => {}
                _ => continue,
            }
            // `mod tests { .. }` ends with its brace, `mod tests;` and `use x;` with the semicolon.
            if depth == 0 {
                end = at + 1;
                break;
            }
        }
        blank(&mut shipped, start..end);
    }
    String::from_utf8_lossy(&shipped).into_owned()
}

#[derive(Clone, Debug, PartialEq)]
enum Token<'a> {
    Name(&'a str),
    /// `::`
    Join,
    Mark(char),
}

/// The tokens, each with its line, from 1.
fn tokens(code: &str) -> Vec<(usize, Token<'_>)> {
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut at = 0;
    while let Some(c) = code[at..].chars().next() {
        if c.is_alphanumeric() || c == '_' {
            let length =
                code[at..].find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(code.len() - at);
            tokens.push((line, Token::Name(&code[at..at + length])));
            at += length;
        } else if code[at..].starts_with("::") {
            tokens.push((line, Token::Join));
            at += 2;
        } else {
            if c == '\n' {
                line += 1;
            } else if !c.is_whitespace() {
                tokens.push((line, Token::Mark(c)));
            }
            at += c.len_utf8();
        }
    }
    tokens
}

fn paths(code: &str) -> Vec<(usize, String)> {
    let tokens = tokens(code);
    let mut paths = Vec::new();
    let mut at = 0;
    while let Some((line, token)) = tokens.get(at) {
        at += 1;
        let first = match token {
            Token::Name("use") => {
                at = use_tree(&tokens, at, String::new(), &mut paths);
                continue;
            }
            Token::Name(first) => *first,
            Token::Join | Token::Mark(_) => continue,
        };
        let mut path = first.to_owned();
        while let (Some((_, Token::Join)), Some((_, Token::Name(next)))) =
            (tokens.get(at), tokens.get(at + 1))
        {
            path.push_str("::");
            path.push_str(next);
            at += 2;
        }
        paths.push((*line, path));
    }
    paths
}

/// Reads a use tree from `at` on, up to and not including what ends it, and returns where that is.
fn use_tree(
    tokens: &[(usize, Token<'_>)],
    mut at: usize,
    prefix: String,
    paths: &mut Vec<(usize, String)>,
) -> usize {
    let next_is = |at: usize, mark| tokens.get(at).is_some_and(|(_, token)| *token == Token::Mark(mark));
    let mut path = prefix;
    let mut line = None;
    while let Some((here, token)) = tokens.get(at) {
        match token {
            Token::Name("as") => {
                at += 2;
                continue;
            }
            Token::Name(name) => {
                line = Some(*here);
                path.push_str(name);
            }
            Token::Join if path.is_empty() => {}
            Token::Join => path.push_str("::"),
            Token::Mark('*') => {
                line = Some(*here);
                path.push('*');
            }
            Token::Mark('{') => {
                at += 1;
                while at < tokens.len() && !next_is(at, '}') {
                    at = use_tree(tokens, at, path.clone(), paths);
                    if next_is(at, ',') {
                        at += 1;
                    } else if !next_is(at, '}') {
                        // Not a use tree after all (`use<'a>` in a bound): leave it to the caller.
                        return at + 1;
                    }
                }
                return at + 1;
            }
            Token::Mark(_) => break,
        }
        at += 1;
    }
    if let Some(line) = line {
        // `use crate::id::{self, InfoHash}` names `crate::id`.
        let path = path.strip_suffix("::self").unwrap_or(&path).to_owned();
        paths.push((line, path));
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped_paths(text: &str) -> Vec<String> {
        let source = Source::new("shared/src/x.rs".to_owned(), text.to_owned());
        source.shipped_paths().into_iter().map(|(_, path)| path).filter(|path| path.contains("::")).collect()
    }

    #[test]
    fn comments_and_literals_are_no_code() {
        let text = r####"
            // std::fs in a comment
            /* std::net /* nested */ std::net */
            let a = "std::thread \" std::thread";
            let b = r#"std::env " std::env"#;
            let c = b"std::process"; let d = br"std::process"; let q = '"'; let e = '\''; let f = '\u{1F600}';
            fn g<'a>(x: &'a str) -> std::borrow::Cow<'a, str> { x.into() }
        "####;
        assert_eq!(shipped_paths(text), ["std::borrow::Cow"]);
        let code = without_comments_and_literals(text);
        assert_eq!(code.len(), text.len());
        assert_eq!(code.lines().count(), text.lines().count());
    }

    #[test]
    fn use_trees_are_spelled_out() {
        let text = "use std::{time::{self, Instant}, fmt};\npub(crate) use crate::id::{InfoHash as Hash, *};\nuse ::tokio::net;";
        let wanted = [
            "std::time",
            "std::time::Instant",
            "std::fmt",
            "crate::id::InfoHash",
            "crate::id::*",
            "tokio::net",
        ];
        let found = shipped_paths(text);
        assert_eq!(found, wanted);
    }

    #[test]
    fn paths_after_an_odd_use_are_still_seen() {
        let text = "fn f<'a>() -> impl Sized + use<'a> { std::fs::read(\"x\") }";
        assert_eq!(shipped_paths(text), ["std::fs::read"]);
    }

    #[test]
    fn lines_are_those_of_the_names() {
        let source = Source::new("a.rs".into(), "use std::{\n    fs,\n    net,\n};\n".into());
        assert_eq!(source.shipped_paths(), [(2, "std::fs".to_owned()), (3, "std::net".to_owned())]);
    }

    #[test]
    fn tests_are_not_shipped() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() { std::fs::read(); }\n}\nfn c() { std::net::x() }\n#[cfg(test)]\nmod more;\nfn d() { std::env::x() }";
        assert_eq!(shipped_paths(text), ["std::net::x", "std::env::x"]);
        for path in [
            "shared/src/wire/tests.rs",
            "shared/src/ws/client_tests.rs",
            "tracker/tests/ws.rs",
            "shared/benches/hash.rs",
        ] {
            let source = Source::new(path.into(), "fn a() { std::fs::read() }".into());
            assert!(source.shipped_paths().is_empty(), "{path}");
        }
    }

    #[test]
    fn words_stand_alone() {
        assert_eq!(words("HashMap MyHashMap HashMapper (HashMap)", "HashMap"), [0, 30]);
    }
}
