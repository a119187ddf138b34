//! What helps where our own system is what failed.

use rustix::process::{Resource, getrlimit};

/// With so few open files a run can meet the limit.
const FEW: u64 = 256;

/// What helps against an error of our own system that is told in `text`, to be added to it; empty where nothing is known.
pub fn remedy(text: &str) -> &'static str {
    advice(text, getrlimit(Resource::Nofile).current)
}

/// The same, where `files` may be open at the same time.
fn advice(text: &str, files: Option<u64>) -> &'static str {
    // EMFILE, ENFILE, and EBUSY, which glibc says when it cannot open the files by which it looks up names; or it
    // says that there is no such name.
    let scarce = ["(os error 24)", "(os error 23)", "(os error 16)"];
    let unknown = "failed to lookup address information";
    let may_be_few = files.is_some_and(|files| files < FEW) && text.contains(unknown);
    match may_be_few || scarce.iter().any(|error| text.contains(error)) {
        true => {
            "; this process may open too few files: raise the limit with `ulimit -n`, or lower --jobs"
        }
        false => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_open_files_are_recognised() {
        let told = std::io::Error::from_raw_os_error(24).to_string();
        assert!(remedy(&format!("no connection: {told}")).contains("ulimit -n"));
        assert_eq!(
            remedy("no connection: Connection refused (os error 111)"),
            ""
        );
    }

    #[test]
    fn an_unknown_name_may_be_one_that_could_not_be_looked_up() {
        let told = "no connection: failed to lookup address information: Name or service not known";
        assert!(advice(told, Some(64)).contains("ulimit -n"));
        assert_eq!(advice(told, Some(1024)), "");
        assert_eq!(advice(told, None), "");
    }
}
