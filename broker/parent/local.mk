# files of broker/parent
