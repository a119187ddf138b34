//! Certificates of storage elements: what is wrong with each is told, and no request is sent to one that is not good.

use std::fs::File;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams,
    SerialNumber, date_time_ymd,
};

use crate::common::test_bed::TestBed;
use crate::common::wild::{Act, Wild, server};

use super::rows::{self, CASE, Row};

type Ca = CertifiedIssuer<'static, KeyPair>;

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

/// What a good certificate of localhost says.
fn good() -> CertificateParams {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    params.distinguished_name.push(DnType::CommonName, "se");
    params.serial_number = Some(SerialNumber::from(7));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// A list of that authority which ends in that year and revokes the certificates with these numbers.
fn list(ca: &Ca, year: i32, revoked: &[u64]) -> String {
    let revoked = revoked.iter().map(|number| RevokedCertParams {
        serial_number: SerialNumber::from(*number),
        revocation_time: date_time_ymd(2021, 1, 1),
        reason_code: None,
        invalidity_date: None,
    });
    let params = CertificateRevocationListParams {
        this_update: date_time_ymd(2020, 1, 1),
        next_update: date_time_ymd(year, 1, 1),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: revoked.collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(ca).expect("a list").pem().expect("PEM")
}

/// Leaf, its chain, and the folder of trusted CAs and lists.
struct Shown {
    name: &'static str,
    chain: String,
    key: KeyPair,
    trusted: Vec<(&'static str, String)>,
    /// What the run says of it.
    told: &'static str,
    /// What is said of lists that are out of date.
    crl: &'static str,
}

fn lenient(one: Shown) -> Shown {
    Shown {
        crl: "    crl: lenient\n",
        ..one
    }
}

fn signed(
    name: &'static str,
    ca: &Ca,
    told: &'static str,
    change: impl Fn(&mut CertificateParams),
) -> Shown {
    let (mut params, key) = (good(), key());
    change(&mut params);
    Shown {
        name,
        chain: params.signed_by(&key, ca).expect("a certificate").pem(),
        key,
        trusted: vec![("ca.0", ca.pem())],
        told,
        crl: "",
    }
}

const PASS: &str = "pass";
const UNKNOWN: &str = "its certificate comes from a CA that is not trusted here, or the server leaves out the intermediate certificates: name the CA in `ca`";
const OLD: &str = "its certificate cannot be checked: the revocation list of its CA has been out of date since 2022-01-01T00:00:00Z; fetch-crl gets a new one, and `crl: lenient` takes the old one";
const REVOKED: &str = "its certificate was revoked by its CA: it needs a new one";

fn shown() -> Vec<Shown> {
    let ca = Ca::self_signed(authority("root"), key()).expect("a CA");
    let stranger = Ca::self_signed(authority("stranger"), key()).expect("a CA");
    let between = Ca::signed_by(authority("between"), key(), &ca).expect("a CA");
    let trusted = |mut one: Shown, more: &[(&'static str, String)]| {
        one.trusted = [&[("ca.0", ca.pem())], more].concat();
        one
    };
    let with_list = |one: Shown, list: String| trusted(one, &[("ca.r0", list)]);
    let own = key();
    let alone = good().self_signed(&own).expect("a certificate").pem();
    let mut whole = signed("whole-chain", &between, PASS, |_| ());
    whole.chain.push_str(&between.pem());
    vec![
        signed("good", &ca, PASS, |_| ()),
        signed(
            "expired",
            &ca,
            "its certificate has been expired since 2020-02-01T00:00:00Z: it needs a new one",
            |params| {
                params.not_before = date_time_ymd(2020, 1, 1);
                params.not_after = date_time_ymd(2020, 2, 1);
            },
        ),
        signed(
            "not-yet-valid",
            &ca,
            "its certificate is not valid before 3000-01-01T00:00:00Z: it needs another one, unless the clock",
            |params| {
                params.not_before = date_time_ymd(3000, 1, 1);
                params.not_after = date_time_ymd(3001, 1, 1);
            },
        ),
        signed(
            "wrong-name",
            &ca,
            "its certificate is not for localhost but for se.example.org: ask it by a name",
            |params| {
                let other =
                    CertificateParams::new(vec!["se.example.org".to_owned()]).expect("a name");
                params.subject_alt_names = other.subject_alt_names;
            },
        ),
        signed(
            "no-name",
            &ca,
            "its certificate is not for localhost but for no name at all",
            |params| params.subject_alt_names.clear(),
        ),
        signed(
            "a-ca-as-leaf",
            &ca,
            "its certificate is that of a CA: it needs one for servers",
            |params| {
                params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
                params.key_usages.push(KeyUsagePurpose::KeyCertSign);
            },
        ),
        signed(
            "for-clients-only",
            &ca,
            "allows client authentication: it needs one for servers",
            |params| {
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            },
        ),
        // Its key usage is not looked at.
        signed("for-enciphering-only", &ca, PASS, |params| {
            params.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
        }),
        trusted(signed("unknown-ca", &stranger, UNKNOWN, |_| ()), &[]),
        Shown {
            name: "self-signed",
            chain: alone,
            key: own,
            trusted: vec![("ca.0", ca.pem())],
            told: UNKNOWN,
            crl: "",
        },
        trusted(
            signed("missing-intermediate", &between, UNKNOWN, |_| ()),
            &[],
        ),
        trusted(whole, &[]),
        with_list(
            signed("revoked", &ca, REVOKED, |_| ()),
            list(&ca, 2999, &[7]),
        ),
        with_list(
            signed("another-revoked", &ca, PASS, |_| ()),
            list(&ca, 2999, &[8]),
        ),
        with_list(
            signed("revoked-by-old-list", &ca, OLD, |_| ()),
            list(&ca, 2022, &[7]),
        ),
        with_list(signed("old-list", &ca, OLD, |_| ()), list(&ca, 2022, &[8])),
        with_list(
            signed("of-another-ca", &ca, PASS, |_| ()),
            list(&stranger, 2022, &[7]),
        ),
        // The later file is the newer one.
        trusted(
            signed("old-list-and-new", &ca, PASS, |_| ()),
            &[
                ("ca.r0", list(&ca, 2022, &[8])),
                ("a.r0", list(&ca, 2999, &[8])),
            ],
        ),
        trusted(
            signed("new-list-then-old", &ca, OLD, |_| ()),
            &[
                ("ca.r0", list(&ca, 2999, &[8])),
                ("a.r0", list(&ca, 2022, &[8])),
            ],
        ),
        lenient(with_list(
            signed("old-list-will-do", &ca, PASS, |_| ()),
            list(&ca, 2022, &[8]),
        )),
        lenient(with_list(
            signed("revoked-by-old-list-that-will-do", &ca, REVOKED, |_| ()),
            list(&ca, 2022, &[7]),
        )),
    ]
}

#[test]
fn a_certificate_that_is_not_good_is_told_and_nothing_is_sent() {
    let bed = TestBed::new();
    let shown = shown();
    let rows = shown.iter().map(|one| {
        let storage = bed.storage(&[]);
        let config = server(&one.chain, &one.key.serialize_pem());
        let front = Wild::with(&bed, config, storage.port(), |_, _| Act::Pass);
        std::fs::create_dir(bed.path(one.name)).expect("a folder");
        for (second, (file, text)) in (0..).zip(&one.trusted) {
            let file = format!("{}/{file}", one.name);
            bed.write(&file, text);
            let file = File::options()
                .write(true)
                .open(bed.path(&file))
                .expect("a file");
            let written = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
            file.set_modified(written).expect("a time");
        }
        Row::new(one.name, front.url().to_owned(), storage, front)
            .with(&format!("    ca: {}\n{}", one.name, one.crl))
    });
    let rows: Vec<_> = rows.collect();
    let came = rows::run(&bed, &rows, &["--case", CASE]);
    for ((one, row), result) in shown.iter().zip(&rows).zip(&came.results) {
        let outcome = &result.text;
        result.expect_nothing_left(one.name);
        let heard = row.front.heard().len();
        if one.told == PASS {
            assert_eq!(outcome, PASS, "{}", one.name);
            assert!(heard > 5, "{}: {heard}", one.name);
            continue;
        }
        let unreachable = outcome.starts_with("error unreachable: no connection: its");
        assert!(unreachable, "{}: {outcome}", one.name);
        assert!(outcome.contains(one.told), "{}: {outcome}", one.name);
        assert!(came.ended.stdout.contains(one.told), "{:?}", came.ended);
        assert_eq!(heard, 0, "{}: {outcome}", one.name);
    }
    assert_eq!(came.ended.code, Some(3), "{:?}", came.ended);
}
