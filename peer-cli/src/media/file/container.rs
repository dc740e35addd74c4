//! WebM, Matroska and MP4, taken apart by symphonia.

use std::io::Cursor;

use bytes::Bytes;
use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known as audio_ids;
use symphonia::core::codecs::audio::{AudioCodecId, AudioCodecParameters};
use symphonia::core::codecs::video::well_known as video_ids;
use symphonia::core::codecs::video::well_known::extra_data::VIDEO_EXTRA_DATA_ID_AVC_DECODER_CONFIG;
use symphonia::core::codecs::video::{VideoCodecId, VideoCodecParameters};
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, Track as FileTrack};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::units::TimeBase;

use super::super::{EncodedFrame, MediaError, VideoCodec, h264, opus};
use super::Input;
use super::track::Track;

/// The first video track that can be sent, or the first one for the complaint.
pub(super) fn video(input: &Input) -> Result<Track, MediaError> {
    let mut reader = open(input)?;
    let tracks = reader.tracks();
    let mut videos = tracks.iter().filter_map(|track| Some((track, track.codec_params.as_ref()?.video()?)));
    let first = videos.clone().next();
    let Some((file_track, params)) = videos.find(|(_, params)| codec(params.codec).is_some()).or(first) else {
        return Err(input.no_track("video", list(tracks)));
    };
    let Some(codec) = codec(params.codec) else {
        return Err(input.video_codec(video_name(params.codec)));
    };
    let mut track = Track::new(codec, params.width.map(u32::from), params.height.map(u32::from));
    let config = match codec {
        VideoCodec::Vp8 => None,
        VideoCodec::H264 => Some(avc_config(input, params)?),
    };
    if let Some(config) = &config {
        track.set_parameters(config);
    }
    let (id, base) = (file_track.id, time_base(file_track));
    each_packet(input, &mut *reader, id, |data, read| {
        let nanos = nanos(base, data.pts);
        match &config {
            None => track.push_vp8(input, Bytes::from(data.bytes), nanos),
            Some(config) => {
                let nals = h264::split_lengths(&data.bytes, config.length_bytes)
                    .ok_or_else(|| input.broken(read, "the unit lengths of an H264 frame do not fit its size"))?;
                track.push_h264(input, &nals, nanos)
            }
        }
    })?;
    Ok(track)
}

/// The first Opus track.
pub(super) fn audio(input: &Input) -> Result<Vec<EncodedFrame>, MediaError> {
    let mut reader = open(input)?;
    let tracks = reader.tracks();
    let mut audios = tracks.iter().filter_map(|track| Some((track.id, track.codec_params.as_ref()?.audio()?)));
    let first = audios.clone().next();
    let Some((id, params)) = audios.find(|(_, params)| params.codec == audio_ids::CODEC_ID_OPUS).or(first) else {
        return Err(input.no_track("audio", list(tracks)));
    };
    if params.codec != audio_ids::CODEC_ID_OPUS {
        return Err(input.audio_codec(audio_name(params.codec)));
    }
    check_channels(input, params)?;
    let mut frames = Vec::new();
    each_packet(input, &mut *reader, id, |data, read| {
        if !data.bytes.is_empty() {
            let duration = opus::packet_duration(&data.bytes).map_err(|error| input.broken(read, error.to_string()))?;
            frames.push(EncodedFrame { data: Bytes::from(data.bytes), duration, key: true });
        }
        Ok(())
    })?;
    Ok(frames)
}

/// One packet of the wanted track.
struct Data {
    bytes: Box<[u8]>,
    /// In units of the track's time base.
    pts: i64,
}

fn open(input: &Input) -> Result<Box<dyn FormatReader>, MediaError> {
    let cursor = Cursor::new(input.bytes.clone());
    let stream = MediaSourceStream::new(Box::new(cursor), MediaSourceStreamOptions::default());
    symphonia::default::get_probe()
        .probe(&Hint::new(), stream, FormatOptions::default(), MetadataOptions::default())
        .map_err(|error| input.broken(0, error.to_string()))
}

/// Calls `take` with every packet of a track and the number of those before it.
fn each_packet(
    input: &Input,
    reader: &mut dyn FormatReader,
    id: u32,
    mut take: impl FnMut(Data, usize) -> Result<(), MediaError>,
) -> Result<(), MediaError> {
    let mut read = 0;
    loop {
        match reader.next_packet() {
            Ok(Some(packet)) if packet.track_id == id => {
                take(Data { bytes: packet.data, pts: packet.pts.get() }, read)?;
                read += 1;
            }
            Ok(Some(_)) => {}
            Ok(None) => return Ok(()),
            Err(error) => return Err(input.broken(read, error.to_string())),
        }
    }
}

fn time_base(track: &FileTrack) -> TimeBase {
    // Matroska's and MP4's readers always know it; milliseconds are what Matroska uses by default.
    track.time_base.or_else(|| TimeBase::try_from_recip(1000)).unwrap_or_default()
}

fn nanos(base: TimeBase, pts: i64) -> i64 {
    let nanos = i128::from(pts) * i128::from(base.numer.get()) * 1_000_000_000 / i128::from(base.denom.get());
    i64::try_from(nanos).unwrap_or(i64::MAX)
}

fn avc_config(input: &Input, params: &VideoCodecParameters) -> Result<h264::AvcConfig, MediaError> {
    params
        .extra_data
        .iter()
        .find(|extra| extra.id == VIDEO_EXTRA_DATA_ID_AVC_DECODER_CONFIG)
        .and_then(|extra| h264::AvcConfig::parse(&extra.data))
        .ok_or_else(|| input.broken(0, "the H264 track has no readable decoder configuration (avcC)"))
}

fn check_channels(input: &Input, params: &AudioCodecParameters) -> Result<(), MediaError> {
    match params.channels.as_ref().map(|channels| channels.count()) {
        None | Some(1 | 2) => Ok(()),
        Some(count) => Err(input.audio_codec(format!("Opus with {count} channels"))),
    }
}

fn codec(id: VideoCodecId) -> Option<VideoCodec> {
    match id {
        video_ids::CODEC_ID_VP8 => Some(VideoCodec::Vp8),
        video_ids::CODEC_ID_H264 => Some(VideoCodec::H264),
        _ => None,
    }
}

/// The tracks of a file for an error message: "video: VP8, audio: Opus".
fn list(tracks: &[FileTrack]) -> String {
    let describe = |track: &FileTrack| match &track.codec_params {
        Some(CodecParameters::Video(params)) => format!("video: {}", video_name(params.codec)),
        Some(CodecParameters::Audio(params)) => format!("audio: {}", audio_name(params.codec)),
        Some(CodecParameters::Subtitle(_)) => "subtitles".to_owned(),
        Some(_) | None => "one of unknown kind".to_owned(),
    };
    if tracks.is_empty() { "none".to_owned() } else { tracks.iter().map(describe).collect::<Vec<_>>().join(", ") }
}

fn video_name(id: VideoCodecId) -> &'static str {
    match id {
        video_ids::CODEC_ID_VP8 => "VP8",
        video_ids::CODEC_ID_VP9 => "VP9",
        video_ids::CODEC_ID_AV1 => "AV1",
        video_ids::CODEC_ID_H264 => "H264",
        video_ids::CODEC_ID_HEVC => "H265",
        video_ids::CODEC_ID_MPEG4 => "MPEG-4 part 2",
        video_ids::CODEC_ID_THEORA => "Theora",
        video_ids::CODEC_ID_MJPEG => "Motion JPEG",
        _ => "an unknown video codec",
    }
}

fn audio_name(id: AudioCodecId) -> &'static str {
    match id {
        audio_ids::CODEC_ID_OPUS => "Opus",
        audio_ids::CODEC_ID_VORBIS => "Vorbis",
        audio_ids::CODEC_ID_AAC => "AAC",
        audio_ids::CODEC_ID_MP3 => "MP3",
        audio_ids::CODEC_ID_FLAC => "FLAC",
        audio_ids::CODEC_ID_AC3 => "AC-3",
        _ => "an unknown audio codec",
    }
}
