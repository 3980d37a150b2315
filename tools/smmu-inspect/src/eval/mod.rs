//! `smmu-inspect eval`: reference vectors in, the library's answers out.
