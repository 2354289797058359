# files of broker/ctl
