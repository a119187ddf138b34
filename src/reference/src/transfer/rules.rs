use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Response, StatusCode};
use rustls::CertificateError;
use url::Url;

use super::super::answers::Outcome;
use super::super::authorisation::{self, Operation};
use super::super::namespace::{Change, Node};
use super::super::path::ObjectPath;
use super::super::probe::hooks;
use super::super::token::Bearer;
use super::client::Seen;
use super::stream::{self, Moment};
use super::{Direction, Failure, client, order};

hooks! {
    /// The decisions about third-party copies.
    struct TransferRules {
        /// Whether that request needs no token.
        ask unasked(parts: &Parts) -> bool;
        /// What is asked for with HEAD, as the COPY wants it asked for, before anything is looked at.
        ask peeks(parts: &Parts) -> Option<Url>;
        /// What is answered at once for what was seen there, or for nothing that was seen.
        ask seen(parts: &Parts, seen: Option<&Seen>) -> Option<Outcome>;
        /// Whether the token of that request may be meant for anybody.
        ask any_audience(parts: &Parts) -> bool;
        /// Which way a COPY with (or without) a `Source` and a `Destination` goes.
        ask asks(source: bool, destination: bool) -> Result<Direction, &'static str>;
        /// The address in the header that names the other side.
        ask understands(named: Option<&str>) -> Option<Url>;
        /// Whether the other side may be asked for at that address.
        ask accepts(url: &Url) -> bool;
        /// Whether it asks itself for somebody at the loopback address of its machine.
        value accepts_itself(bool);
        /// Whether `Overwrite` allows to replace something; this and the next three judge the header's value.
        ask overwrite(value: Option<&str>) -> Word<bool>;
        /// Whether `RequireChecksumVerification` wants a digest.
        ask verification(value: Option<&str>) -> Word<bool>;
        /// How many streams `X-Number-Of-Streams` allows.
        ask streams(value: Option<&str>) -> Word<u32>;
        /// Whether `Credential` makes sense.
        ask credential(value: Option<&str>) -> Word<()>;
        /// An answer to a sound order in place of the transfer, such as a redirect.
        ask detour(parts: &Parts) -> Option<Response<Body>>;
        /// When the local right is asked for, given what is at the local path and who comes.
        ask scrutiny(direction: Direction, node: Option<&Node>, bearer: &Bearer) -> Scrutiny;
        /// Which right is needed, given what is at the local path.
        ask needs(direction: Direction, node: Option<&Node>) -> Operation;
        /// The headers for the other side that this COPY asks for.
        ask forwards(parts: &Parts) -> HeaderMap;
        /// Whether requests with those headers that the COPY asks for can be sent.
        ask carries(headers: &HeaderMap) -> Result<(), &'static str>;
        /// The last touch to the address of the other side.
        edit addresses(parts: &Parts; url: Url; );
        /// The last touch to the headers of each request to the other side, redirected ones included.
        edit outgoing(method: &Method, url: &Url; headers: HeaderMap; );
        /// What is pulled from an address without asking anybody.
        ask imagines(url: &Url) -> Option<Bytes>;
        /// Whether a certificate with that defect is accepted.
        ask forgives(defect: &CertificateError) -> bool;
        /// Whether a redirect to that address is followed.
        ask follows(url: &Url) -> bool;
        /// Whether what opens the first address goes along to the one that a redirect leads to.
        ask entrusts(first: &Url, next: &Url) -> bool;
        /// What happens at the local path before anything was pulled.
        write prepares(namespace; path: &ObjectPath);
        /// Whether that status of the other side's answer means success.
        ask succeeded(direction: Direction, status: StatusCode) -> bool;
        /// Whether all was pulled: the length announced, the length that came, and whether it was cut.
        ask whole(announced: Option<u64>, came: u64, cut: bool) -> bool;
        /// Whether the digests of a witness are enough: whether they are needed, and whether they fit if
        /// there are any.
        ask convinced(witness: Witness, needed: bool, fits: Option<bool>) -> Result<(), &'static str>;
        /// What is stored of a pull that came to nothing; without a reason it was given up, or took too long.
        ask leaves(failure: Option<&Failure>, bytes: &[u8]) -> Option<Bytes>;
        /// The last touch to what is stored of a pull that is complete, with so many streams.
        pass stores(; bytes: Bytes; streams: u32);
        /// Whether a push tells digests of its own of what it sends.
        value announces(bool);
        /// The last touch to what a push sends.
        pass sends(; bytes: Bytes; );
        /// Whether a push with `Overwrite: F` looks at the destination first.
        value looks_first(bool);
        /// Whether a push with `Overwrite: F` makes its PUT conditional.
        value conditional(bool);
        /// Whether a transfer ends when the client hangs up.
        ask abandons(direction: Direction) -> bool;
        /// Whether the answer begins before the transfer has ended.
        value early(bool);
        /// The type of the answer.
        value media_type(&'static str);
        /// How many bytes a performance marker tells.
        ask progress(moment: &Moment) -> u64;
        /// What is told of one performance marker: nothing where that is empty.
        pass marker(moment: &Moment; text: String; );
        /// What is told behind the reason of a failure, given the headers for the other side that the COPY asked for.
        ask blames(headers: &HeaderMap) -> Option<String>;
        /// How the stream ends.
        ask last(direction: Direction, ended: &Result<Change, Failure>) -> String;
    }
}

/// What the value of a header means, or why it means nothing.
pub(super) type Word<T> = Result<T, &'static str>;

/// When the right to the local half is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Scrutiny {
    /// Before anything else; what stands in the way is told by status.
    First,
    /// Before anything is transferred, but once the stream has begun.
    InStream,
    /// Once the data were transferred.
    Afterwards,
    Never,
}

/// Who says what the data have to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Witness {
    /// The client, with `Repr-Digest` on its COPY.
    Client,
    /// The other side.
    OtherSide(Direction),
}

impl Default for TransferRules {
    /// The right ones.
    fn default() -> Self {
        Self {
            unasked: |_| false,
            peeks: |_| None,
            seen: |_, _| None,
            any_audience: |_| false,
            asks: order::direction,
            understands: order::understands,
            accepts: order::accepts,
            accepts_itself: false,
            overwrite: order::overwrite,
            verification: order::verification,
            streams: order::streams,
            credential: order::credential,
            detour: order::sent_on,
            scrutiny: |_, _, _| Scrutiny::First,
            needs: |direction, node| match direction {
                Direction::Pull => authorisation::uploading(node),
                Direction::Push => Operation::Read,
            },
            forwards: order::forwarded,
            carries: |_| Ok(()),
            addresses: |_, _| {},
            outgoing: |_, _, _| {},
            imagines: |_| None,
            forgives: |_| false,
            follows: client::follows,
            // Credentials are for the origin that they were meant for.
            entrusts: |first, next| first.origin() == next.origin(),
            prepares: |_, _| {},
            succeeded: |direction, status| match direction {
                Direction::Pull => status == StatusCode::OK,
                Direction::Push => status.is_success(),
            },
            whole: |announced, came, cut| !cut && announced.is_none_or(|length| length == came),
            convinced,
            leaves: |_, _| None,
            stores: |bytes, _| bytes,
            announces: true,
            sends: |bytes| bytes,
            looks_first: true,
            conditional: true,
            abandons: |_| true,
            early: true,
            media_type: "text/perf-marker-stream",
            progress: |moment| moment.bytes,
            marker: |_, text| text,
            blames: |_| None,
            last: stream::last,
        }
    }
}

/// A digest that does not fit is never enough, none only where none is needed.
pub(in super::super) fn convinced(
    _: Witness,
    needed: bool,
    fits: Option<bool>,
) -> Result<(), &'static str> {
    match fits {
        Some(false) => Err("checksum mismatch"),
        None if needed => Err("checksum verification is required, and there is no checksum"),
        _ => Ok(()),
    }
}
