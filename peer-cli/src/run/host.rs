//! Where a call finds its server: in this process, or where the user says.

#[cfg(feature = "embedded")]
use std::hash::{BuildHasher, RandomState};

use super::RunError;
use crate::report::RelayReport;
use crate::signaling::ServerUrl;

/// The embedded server and relay, where they are wanted and built in.
#[derive(Default)]
pub(super) struct Host {
    #[cfg(feature = "embedded")]
    embedded: Option<crate::embedded::Embedded>,
}

impl Host {
    /// `relay`: whether an embedded server is to have a relay beside it.
    #[cfg(feature = "embedded")]
    pub(super) async fn choose(server: Option<&ServerUrl>, relay: bool) -> Result<(Self, ServerUrl), RunError> {
        if let Some(url) = server {
            return Ok((Self::default(), url.clone()));
        }
        let dice = RandomState::new();
        let dice = u128::from(dice.hash_one(1)) << 64 | u128::from(dice.hash_one(2));
        let embedded = crate::embedded::Embedded::spawn(dice, relay).await?;
        let url = ServerUrl::parse(&embedded.ws_url())?;
        Ok((Self { embedded: Some(embedded) }, url))
    }

    #[cfg(feature = "embedded")]
    pub(super) fn relay_report(&self) -> Option<RelayReport> {
        self.embedded.as_ref()?.relay_report()
    }

    #[cfg(feature = "embedded")]
    pub(super) async fn shutdown(self) {
        if let Some(embedded) = self.embedded {
            embedded.shutdown().await;
        }
    }
}

#[cfg(not(feature = "embedded"))]
impl Host {
    #[expect(clippy::unused_async, reason = "the same face as with the embedded server")]
    pub(super) async fn choose(server: Option<&ServerUrl>, _relay: bool) -> Result<(Self, ServerUrl), RunError> {
        Ok((Self::default(), server.cloned().ok_or(RunError::NoServer)?))
    }

    pub(super) fn relay_report(&self) -> Option<RelayReport> {
        None
    }

    #[expect(clippy::unused_async, reason = "the same face as with the embedded server")]
    pub(super) async fn shutdown(self) {}
}
