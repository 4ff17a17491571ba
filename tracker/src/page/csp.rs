//! The page's Content-Security-Policy.

use sha2::{Digest as _, Sha256};

/// The policy for a page with this `index.html`: scripts of this origin, and those inline scripts and styles that stand
/// in it, by hash.
pub(super) fn policy(index: &[u8]) -> String {
    let index = String::from_utf8_lossy(index);
    let scripts = hashes(&index, "script");
    let styles = hashes(&index, "style");
    // Links may name other trackers, so any WebSocket may be opened, and web seeds (BEP 19), so scripts may fetch from any
    // server; the page shows them first. What is fetched is data: nothing but this origin gives scripts, styles or frames.
    format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'{scripts}; style-src 'self'{styles}; \
         img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self'; manifest-src 'self'; \
         connect-src 'self' ws: wss: http: https:; worker-src 'self'; frame-src 'self'; form-action 'none'; base-uri 'self'; \
         frame-ancestors 'none'"
    )
}

/// The hashes of all inline elements called `name`, as sources of a policy, each after a space.
fn hashes(html: &str, name: &str) -> String {
    let (open, close) = (format!("<{name}"), format!("</{name}"));
    let lower = html.to_ascii_lowercase();
    let mut sources = String::new();
    let mut at = 0;
    while let Some(start) = find(&lower, &open, at) {
        let Some(tag_end) = find(&lower, ">", start) else { break };
        let Some(end) = find(&lower, &close, tag_end) else { break };
        let attributes = &lower[start + open.len()..tag_end];
        let body = &html[tag_end + 1..end];
        let is_element =
            attributes.is_empty() || attributes.starts_with(|char: char| char.is_ascii_whitespace());
        if is_element && !attributes.contains("src=") && !body.is_empty() {
            // Browsers hash the text after their newline normalisation.
            let digest = Sha256::digest(body.replace("\r\n", "\n"));
            sources.push_str(&format!(" 'sha256-{}'", data_encoding::BASE64.encode(&digest)));
        }
        at = end;
    }
    sources
}

fn find(text: &str, what: &str, from: usize) -> Option<usize> {
    text.get(from..)?.find(what).map(|at| from + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inline_scripts_are_named_by_hash_and_others_are_not() {
        // echo -n 'alert(1)' | openssl dgst -sha256 -binary | base64
        let hash = "'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='";
        for script in ["<script>alert(1)</script>", "<SCRIPT type=\"module\">alert(1)</SCRIPT>"] {
            let policy = policy(format!("<!doctype html><head>{script}</head>").as_bytes());
            assert!(policy.contains(&format!("script-src 'self' 'wasm-unsafe-eval' {hash};")), "{policy}");
        }
        for script in ["<script src=\"x.js\"></script>", "<script></script>", "<scripted>alert(1)</scripted>"]
        {
            assert_eq!(hashes(script, "script"), "", "{script}");
        }
        let two =
            hashes("<script>alert(1)</script><script src=x></script>\n<script>alert(1)</script >", "script");
        assert_eq!(two.matches(hash).count(), 2);
    }

    #[test]
    fn broken_html_ends_the_search() {
        for html in ["<script", "<script>", "<script>alert(1)", "</script>", ""] {
            assert_eq!(hashes(html, "script"), "");
        }
    }
}
