//! A bucket by its URL; its maker's variables in the environment say the rest.

use std::sync::Arc;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreScheme};
use url::Url;

/// Opens it without asking the network. `settings` of an S3 bucket stand before those of the environment.
///
/// # Errors
/// The URL names no bucket, or a setting makes no sense, in words for a person.
pub fn open(url: &str, settings: &[(&str, &str)]) -> Result<(Arc<dyn ObjectStore>, Path), String> {
    let parsed = Url::parse(url).map_err(|e| e.to_string())?;
    let (scheme, path) = ObjectStoreScheme::parse(&parsed).map_err(|e| e.to_string())?;
    let path = Path::parse(path).map_err(|e| e.to_string())?;
    // `from_env` takes `AWS_REGION`, and not the `REGION` or `TOKEN` of something else in the same environment.
    let store = match scheme {
        ObjectStoreScheme::AmazonS3 => {
            let mut builder = AmazonS3Builder::from_env().with_url(url);
            for (key, value) in settings {
                builder = builder.with_config(key.parse().map_err(|e: object_store::Error| e.to_string())?, *value);
            }
            builder.build().map(shared)
        }
        ObjectStoreScheme::GoogleCloudStorage => {
            GoogleCloudStorageBuilder::from_env().with_url(url).build().map(shared)
        }
        ObjectStoreScheme::MicrosoftAzure => MicrosoftAzureBuilder::from_env().with_url(url).build().map(shared),
        _ => return Err("write a directory, or a bucket such as `s3://bucket/prefix`".to_owned()),
    };
    Ok((store.map_err(|e| e.to_string())?, path))
}

fn shared(store: impl ObjectStore) -> Arc<dyn ObjectStore> {
    Arc::new(store)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_setting_cannot_be_is_said() {
        let bad = |settings: &[(&str, &str)]| open("s3://bucket/prefix", settings).unwrap_err();
        assert!(bad(&[("aws_endpont", "x")]).contains("aws_endpont"));
        assert!(bad(&[("aws_allow_http", "perhaps")]).contains("perhaps"));
        assert!(open("memory:///x", &[]).unwrap_err().contains("s3://bucket/prefix"));
    }
}
