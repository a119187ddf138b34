/// What helps against an error of our own system that is told in `text`, to be added to it; empty where nothing is known.
pub fn remedy(text: &str) -> &'static str {
    // EMFILE, ENFILE, and EBUSY, which glibc says when it cannot open the files by which it looks up names.
    let scarce = ["(os error 24)", "(os error 23)", "(os error 16)"];
    match scarce.iter().any(|error| text.contains(error)) {
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
}
