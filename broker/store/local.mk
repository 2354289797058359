# files of broker/store
