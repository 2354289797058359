# files of broker/core
