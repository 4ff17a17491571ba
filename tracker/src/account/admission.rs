//! What the frontends ask before they serve a request: each has one call here.

use shared::tracker::announce::AnnounceRequest;
use shared::tracker::udp::UdpRequest;
use shared::tracker::ws::{Action, Announce, Answer, Failure, Request, Response};

use super::{Accounts, Credential, Wish, of_url_data};
use crate::policy::who::Denied;

impl Accounts {
    /// Whether an announce over HTTP is taken; what the peer says that it moved is counted then.
    ///
    /// # Errors
    ///
    /// [`Denied`].
    pub(crate) fn admit(&self, credential: Credential, request: &AnnounceRequest) -> Result<(), Denied> {
        if self.0.is_none() {
            return Ok(());
        }
        self.may(credential, Wish::Announce(&request.info_hash))?;
        self.moved(credential, request);
        Ok(())
    }

    /// Whether a request over UDP is answered. An announce names its passkey in its URL; in a scrape there is no place for
    /// one (BEP 41).
    ///
    /// # Errors
    ///
    /// [`Denied`].
    pub(crate) fn admit_udp(&self, request: &UdpRequest) -> Result<(), Denied> {
        match request {
            _ if self.0.is_none() => Ok(()),
            UdpRequest::Connect => Ok(()),
            UdpRequest::Announce { request, url_data, .. } => self.admit(of_url_data(url_data), request),
            UdpRequest::Scrape { .. } => self.may(Credential::None, Wish::Scrape),
        }
    }

    /// What is said to a request over a WebSocket that is not granted; `None` if it is.
    pub(crate) fn refusal(&self, credential: Credential, request: &Request<'_>) -> Option<Response<'static>> {
        self.0.as_ref()?;
        let (wish, action, info_hash) = match request {
            Request::Announce(Announce { info_hash, .. }) | Request::Answer(Answer { info_hash, .. }) => {
                (Wish::Announce(info_hash), Action::Announce, Some(*info_hash))
            }
            Request::Scrape(_) => (Wish::Scrape, Action::Scrape, None),
        };
        let denied = self.may(credential, wish).err()?;
        let failure = Failure { action: Some(action), info_hash, reason: denied.to_string() };
        Some(Response::Refused { failure, code: denied.code() })
    }
}
