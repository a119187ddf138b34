//! Where the administrator of a storage element looks first, by its software: the log, and the settings that decide
//! what a suite judges. Everything here stands in the public documentation of that software.

/// What helps with one kind of software.
#[derive(Debug)]
pub struct Hints {
    /// Its name.
    pub software: &'static str,
    /// What its names contain, in lower case: in a `Server` header or in `endpoints.yaml`.
    names: &'static [&'static str],
    /// Where it logs, and what to look for there.
    pub log: &'static str,
    /// Where its tokens are documented.
    pub documentation: &'static str,
    /// What decides the cases of some suites.
    topics: &'static [Topic],
}

/// The settings that some suites depend on.
#[derive(Debug)]
struct Topic {
    suites: &'static [&'static str],
    look: &'static str,
}

/// Suites about who issued a token and whether it is valid.
const TRUST: &[&str] = &["authentication", "bearer", "isolation"];
/// Suites about what a token allows.
const RIGHTS: &[&str] = &["capability", "path"];

/// One entry for each software; the first that fits counts.
const SOFTWARE: &[Hints] = &[
    Hints {
        software: "EOS",
        names: &["eos"],
        log: "/var/log/eos/mgm/xrdlog.mgm, by time and path of the request; `http.trace all` in /etc/xrd.cf.mgm logs more",
        documentation: "https://eos-docs.web.cern.ch/configuration/http_tpc.html",
        topics: &[
            Topic {
                suites: TRUST,
                look: "`issuer` in /etc/xrootd/scitokens.cfg, and the libraries that `mgmofs.macaroonslib` in /etc/xrd.cf.mgm loads",
            },
            Topic {
                suites: &["audience"],
                look: "`audience` in the section [Global] of /etc/xrootd/scitokens.cfg",
            },
            Topic {
                suites: RIGHTS,
                look: "`base_path` and `default_user` of the issuer in /etc/xrootd/scitokens.cfg, and what that user may do in the namespace",
            },
            Topic {
                suites: &["macaroon"],
                look: "`mgmofs.macaroonslib`, `macaroons.secretkey` and `all.sitename` in /etc/xrd.cf.mgm",
            },
            Topic {
                suites: &["tpc"],
                look: "the `http.exthandler` lines for xrdtpc in /etc/xrd.cf.mgm and /etc/xrd.cf.fst",
            },
        ],
    },
    Hints {
        software: "Pelican",
        names: &["pelican"],
        log: "the log of the origin, by time and path of the request; `Logging.Level: debug` in /etc/pelican/pelican.yaml logs more",
        documentation: "https://docs.pelicanplatform.org/advanced-concepts/auth and https://docs.pelicanplatform.org/parameters",
        topics: &[Topic {
            suites: RIGHTS,
            look: "the exports of the origin in /etc/pelican/pelican.yaml, and `Origin.ScitokensRestrictedPaths` there",
        }],
    },
    Hints {
        software: "StoRM WebDAV",
        names: &["storm"],
        log: "storm-webdav-server.log and storm-webdav-server-access.log in /var/log/storm/webdav, by time and path of the request",
        documentation: "https://github.com/italiangrid/storm-webdav/blob/master/doc/storage-area-configuration.md",
        topics: &[
            Topic {
                suites: TRUST,
                look: "the issuers in /etc/storm/webdav/config/application.yml, and `orgs` of the storage area in /etc/storm/webdav/sa.d",
            },
            Topic {
                suites: RIGHTS,
                look: "`wlcgScopeAuthzEnabled`, and `orgsGrantReadPermission` and `orgsGrantWritePermission`, which grant access to every token of an issuer, of the storage area in /etc/storm/webdav/sa.d",
            },
            Topic {
                suites: &["group"],
                look: "`fineGrainedAuthzEnabled` of the storage area in /etc/storm/webdav/sa.d, and the policies with `jwt-group` in /etc/storm/webdav/config/application.yml",
            },
        ],
    },
    Hints {
        software: "dCache",
        names: &["dcache"],
        log: "the .access file of the WebDAV door's domain: it has `sub` and `jti` of the token with each request",
        documentation: "https://www.dcache.org/manuals/Book-9.2/config-gplazma.shtml#oidc",
        topics: &[
            Topic {
                suites: TRUST,
                look: "`auth optional oidc` in /etc/dcache/gplazma.conf, and `gplazma.oidc.provider!NAME` with `-profile=wlcg`",
            },
            Topic {
                suites: &["audience"],
                look: "`gplazma.oidc.audience-targets`, and that `gplazma.oidc.provider!NAME` has no `-suppress=audience`",
            },
            Topic {
                suites: RIGHTS,
                look: "`-prefix` and `-authz-id` of `gplazma.oidc.provider!NAME`, and the permissions of the user that it maps to",
            },
            Topic {
                suites: &["group"],
                look: "`oidcgrp:` lines of the multimap file, and `-non-authz-id` of `gplazma.oidc.provider!NAME`",
            },
        ],
    },
    Hints {
        software: "XRootD",
        names: &["xrootd", "xrdhttp"],
        log: "the log of xrootd, by time and path of the request; `scitokens.trace all` and `http.trace all` log more",
        documentation: "https://github.com/xrootd/xrootd/blob/master/src/XrdSciTokens/README.md",
        topics: &[
            Topic {
                suites: TRUST,
                look: "`issuer` and `onmissing` in /etc/xrootd/scitokens.cfg, `ofs.authlib` and `http.header2cgi Authorization authz` in the configuration of xrootd",
            },
            Topic {
                suites: &["audience"],
                look: "`audience` or `audience_json` in the section [Global] of /etc/xrootd/scitokens.cfg",
            },
            Topic {
                suites: RIGHTS,
                look: "`base_path`, `restricted_path` and `onmissing` in /etc/xrootd/scitokens.cfg, and the plugins stacked behind `ofs.authlib ++`",
            },
            Topic {
                suites: &["group"],
                look: "`groups_claim` and `onmissing` in /etc/xrootd/scitokens.cfg, and the rules for groups in the authorisation database",
            },
        ],
    },
];

impl Hints {
    /// The hints for a software by any of its names.
    pub fn of(software: &str) -> Option<&'static Self> {
        let software = software.to_lowercase();
        let words = software.split(|c: char| !c.is_alphanumeric());
        SOFTWARE.iter().find(|hints| {
            // A short name is easily a part of another word.
            hints.names.iter().any(|name| match name.len() {
                ..4 => words.clone().any(|word| word == *name),
                _ => software.contains(name),
            })
        })
    }

    /// Where to look for a failure of that suite.
    pub fn look(&self, suite: &str) -> Option<&'static str> {
        let topic = self.topics.iter().find(|t| t.suites.contains(&suite));
        topic.map(|topic| topic.look)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_is_known_by_its_usual_names() {
        for (name, software) in [
            ("XrootD/v5.7.1", Some("XRootD")),
            ("dCache/9.2.19", Some("dCache")),
            ("StoRM WebDAV", Some("StoRM WebDAV")),
            ("EOS 5.2", Some("EOS")),
            ("Pelican/7.9", Some("Pelican")),
            ("Videos/1.0", None),
            ("ExampleStore/1.2", None),
            ("", None),
        ] {
            assert_eq!(Hints::of(name).map(|h| h.software), software, "{name}");
        }
    }

    #[test]
    fn every_topic_is_a_suite() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../suites");
        for topic in SOFTWARE.iter().flat_map(|hints| hints.topics) {
            for suite in topic.suites {
                assert!(folder.join(format!("{suite}.yaml")).exists(), "{suite}");
            }
        }
        let xrootd = Hints::of("xrootd").unwrap();
        assert!(xrootd.look("audience").unwrap().contains("audience_json"));
        assert_eq!(xrootd.look("digest"), None);
    }
}
