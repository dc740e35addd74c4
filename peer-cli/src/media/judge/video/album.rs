//! Pictures kept to be looked at by a person.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::super::{Picture, picture_webp};
use crate::report::Snapshot;

/// The first, the last and the worst picture of one track.
#[derive(Debug, Default)]
pub(super) struct Album {
    first: Option<Kept>,
    last: Option<Kept>,
    worst: Option<Kept>,
}

#[derive(Debug, Clone)]
struct Kept {
    at: Duration,
    psnr: Option<f64>,
    picture: Picture,
}

/// Pixels.
const WIDEST: u32 = 480;
/// Of WebP, 0 to 100.
const QUALITY: f32 = 70.0;

impl Album {
    /// A picture decoded `at` this time since the run began, with its PSNR where that was measured.
    pub(super) fn keep(&mut self, at: Duration, picture: &Picture, psnr: Option<f64>) {
        // Any picture may turn out to be the last one; its buffers are used again for the next.
        store(&mut self.last, at, picture, psnr);
        if self.first.is_none() {
            self.first.clone_from(&self.last);
        }
        if let Some(new) = psnr
            && self.worst.as_ref().and_then(|worst| worst.psnr).is_none_or(|worst| new < worst)
        {
            store(&mut self.worst, at, picture, psnr);
        }
    }

    /// Whether this picture shows the same as the last one kept.
    pub(super) fn last_is(&self, picture: &Picture) -> bool {
        self.last.as_ref().is_some_and(|last| {
            let kept = &last.picture;
            kept.width == picture.width && kept.height == picture.height && kept.luma == picture.luma
        })
    }

    /// The pictures as a report holds them.
    pub(super) fn snapshots(self) -> Vec<Snapshot> {
        [("first", self.first), ("last", self.last), ("worst", self.worst)]
            .into_iter()
            .filter_map(|(which, kept)| snapshot(which, &kept?))
            .collect()
    }
}

fn store(place: &mut Option<Kept>, at: Duration, picture: &Picture, psnr: Option<f64>) {
    match place {
        Some(kept) => {
            kept.at = at;
            kept.psnr = psnr;
            kept.picture.width = picture.width;
            kept.picture.height = picture.height;
            kept.picture.luma.clone_from(&picture.luma);
            kept.picture.u.clone_from(&picture.u);
            kept.picture.v.clone_from(&picture.v);
        }
        empty @ None => *empty = Some(Kept { at, psnr, picture: picture.clone() }),
    }
}

fn snapshot(which: &str, kept: &Kept) -> Option<Snapshot> {
    let webp = picture_webp(&kept.picture, WIDEST, QUALITY)?;
    Some(Snapshot {
        which: which.to_owned(),
        at_ms: kept.at.as_secs_f64() * 1000.0,
        width: kept.picture.width,
        height: kept.picture.height,
        psnr_db: kept.psnr,
        webp_base64: STANDARD.encode(webp),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(level: u8) -> Picture {
        Picture { width: 32, height: 16, luma: vec![level; 512], u: Vec::new(), v: Vec::new() }
    }

    #[test]
    fn the_first_the_last_and_the_worst_are_kept() {
        let mut album = Album::default();
        let pictures = [(10, Some(40.0)), (20, None), (30, Some(25.5)), (40, Some(30.0)), (50, None)];
        for (at, psnr) in pictures {
            album.keep(Duration::from_millis(at), &picture(at as u8), psnr);
        }
        let found: Vec<_> = album.snapshots().into_iter().map(|kept| (kept.which, kept.at_ms, kept.psnr_db)).collect();
        let expected = [("first", 10.0, Some(40.0)), ("last", 50.0, None), ("worst", 30.0, Some(25.5))];
        assert_eq!(found, expected.map(|(which, at, psnr)| (which.to_owned(), at, psnr)));
    }

    #[test]
    fn a_snapshot_is_webp_in_base64() {
        let mut album = Album::default();
        album.keep(Duration::ZERO, &picture(80), None);
        let snapshots = album.snapshots();
        assert_eq!(snapshots.iter().map(|kept| kept.which.as_str()).collect::<Vec<_>>(), ["first", "last"]);
        for kept in snapshots {
            let webp = STANDARD.decode(kept.webp_base64).unwrap();
            assert_eq!((&webp[..4], &webp[8..12]), (&b"RIFF"[..], &b"WEBP"[..]));
            assert_eq!((kept.width, kept.height), (32, 16));
        }
    }

    #[test]
    fn the_same_picture_is_recognised_to_the_last_pixel() {
        let mut album = Album::default();
        assert!(!album.last_is(&picture(1)));
        album.keep(Duration::ZERO, &picture(1), None);
        assert!(album.last_is(&picture(1)));
        let mut other = picture(1);
        other.luma[511] = 2;
        assert!(!album.last_is(&other));
        assert!(!album.last_is(&Picture { width: 16, height: 32, ..picture(1) }));
    }

    #[test]
    fn without_pictures_the_album_is_empty() {
        assert!(Album::default().snapshots().is_empty());
    }
}
