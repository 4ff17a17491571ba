//! What a node is told about its cluster.

use redis::IntoConnectionInfo as _;

use super::codec::NAME_MAX;

/// Options of the cluster.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ClusterArgs {
    /// Be one of several trackers that work as one, through this Redis or Valkey: `redis://[user:password@]host[:port]`, or
    /// rediss:// over TLS. Whoever can write there can write into the swarms.
    #[arg(long, value_name = "URL", env = "PIECEMEAL_CLUSTER", hide_env_values = true)]
    pub cluster: Option<String>,

    /// Trackers of the same name work together; several clusters can share one Redis.
    #[arg(long, value_name = "NAME", default_value = "piecemeal", env = "PIECEMEAL_CLUSTER_NAME")]
    pub cluster_name: String,

    /// How this node is called in logs and numbers [default: the host's name].
    #[arg(long, value_name = "NAME", env = "PIECEMEAL_NODE_NAME")]
    pub node_name: Option<String>,
}

/// A cluster to be part of.
#[derive(Clone, Debug)]
pub struct ClusterConfig {
    /// Where Redis is.
    pub url: String,
    /// Which cluster.
    pub name: String,
    /// How this node is called.
    pub node: String,
}

/// Why a cluster cannot be joined. Redis that is down is no such reason.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The URL is none of Redis.
    #[error(
        "--cluster: {0}; expected redis://[user:password@]host[:port][/database], rediss://… or unix:///path"
    )]
    Url(String),
    /// The name cannot be part of a channel's.
    #[error("--cluster-name: expected 1 to 64 letters, digits, `-`, `_` or `.`, got `{0}`")]
    Name(String),
}

impl ClusterArgs {
    /// The cluster to be part of, if there is to be one.
    ///
    /// # Errors
    ///
    /// [`ClusterError`] says what is wrong.
    pub fn into_config(self) -> Result<Option<ClusterConfig>, ClusterError> {
        let Some(url) = self.cluster.filter(|url| !url.is_empty()) else { return Ok(None) };
        let node = self.node_name.or_else(crate::lan::host_name).unwrap_or_else(|| "tracker".to_owned());
        let config = ClusterConfig { url, name: self.cluster_name, node };
        config.check().map(|()| Some(config))
    }
}

impl ClusterConfig {
    /// Whether it can be used.
    ///
    /// # Errors
    ///
    /// [`ClusterError`] says why not.
    pub fn check(&self) -> Result<(), ClusterError> {
        // The text of the error does not repeat the URL, which may hold a password.
        self.url.as_str().into_connection_info().map_err(|error| ClusterError::Url(error.to_string()))?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        match (1..=NAME_MAX).contains(&self.name.len()) && self.name.chars().all(is_plain) {
            true => Ok(()),
            false => Err(ClusterError::Name(self.name.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str, name: &str) -> Result<Option<ClusterConfig>, ClusterError> {
        let (cluster, cluster_name) = (Some(url.to_owned()), name.to_owned());
        ClusterArgs { cluster, cluster_name, node_name: Some("a".to_owned()) }.into_config()
    }

    #[test]
    fn a_url_of_redis_is_taken_and_another_is_refused_without_repeating_it() {
        for url in
            ["redis://h", "redis://u:p@h:1/2", "rediss://h:6380", "redis://[::1]:1", "unix:///run/redis.sock"]
        {
            assert_eq!(config(url, "x").unwrap().unwrap().url, url);
        }
        for url in ["http://u:secret@h", "secret", "redis://h:99999", "redis://u:secret@h/secret"] {
            let error = config(url, "x").unwrap_err().to_string();
            assert!(error.contains("--cluster") && !error.contains("secret"), "{error}");
        }
        assert!(config("", "x").unwrap().is_none(), "an empty variable is none");
    }

    #[test]
    fn a_name_is_a_plain_word() {
        assert!(config("redis://h", "a-b_c.9").is_ok());
        for name in ["", "a:b", "a b", "é", &"a".repeat(65)] {
            assert!(matches!(config("redis://h", name), Err(ClusterError::Name(_))), "{name}");
        }
    }
}
