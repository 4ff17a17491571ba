//! For whom the socket to our own tracker stands: by a token, since a cookie must not count there.

use serde::Deserialize;
use serde_json::json;

use super::api;

#[derive(Deserialize)]
struct Answer {
    token: String,
}

/// The announce URL with a token for whoever is logged in here; as it is where nobody is.
pub async fn with_token(url: &str) -> String {
    match api::call::<Answer>("POST", "/api/account/token", Some(&json!({}))).await {
        Ok(Answer { token }) => insert(url, &token),
        // The tracker says so itself, to the first announce.
        Err(_) => url.to_owned(),
    }
}

/// `wss://host/TOKEN/announce`.
fn insert(url: &str, token: &str) -> String {
    let host_end = url.find("://").and_then(|at| url[at + 3..].find('/').map(|slash| at + 3 + slash));
    match host_end {
        Some(end) => [&url[..end], "/", token, &url[end..]].concat(),
        None => [url, "/", token, "/announce"].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_stands_before_the_path() {
        assert_eq!(insert("wss://h:1/announce", "t-x"), "wss://h:1/t-x/announce");
        assert_eq!(insert("ws://h", "t-x"), "ws://h/t-x/announce");
    }
}
